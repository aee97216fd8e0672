// How long pods take from their creation until all their containers were started, for the metrics
// kubelet_pod_start_{,sli_,total_}duration_seconds. Pure. After upstream's
// pkg/kubelet/util/pod_startup_latency_tracker.go.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "agent/stats/metric_text.hpp"
#include "kube/pod.hpp"

namespace keelson::stats {

class PodStartup {
 public:
  // The API server shows the pod. Only a pod that has no startTime when it is first shown is measured: what started
  // before this agent is not its work. One that shows its containers running, as we said it, is counted.
  void shown(const kube::Pod& pod, SystemTime now);
  // What we say of the pod now.
  void status(const std::string& uid, const kube::PodStatus& status, SystemTime now);
  void pull_started(const std::string& uid, SystemTime now);
  void pull_ended(const std::string& uid, SystemTime now);
  void gone(const std::string& uid) { pods_.erase(uid); }

  void write(MetricText& out) const;

 private:
  // Upstream's podStartupDurationBuckets, seconds.
  static constexpr double kBounds[] = {.5, 1,  2,  3,   4,   5,   6,   8,   10,  20,  30,   45,  60,
                                       120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600};
  struct Start {
    SystemTime first_shown{};
    std::optional<SystemTime> first_pull, last_pulled;
    bool ran = false;      // its phase was Running
    bool started = false;  // all containers run, as we said
  };
  std::map<std::string, Start> pods_;  // by UID; those that have not been counted yet
  Histogram seen_to_running_{kBounds}, without_pulls_{kBounds}, whole_{kBounds};
};

}  // namespace keelson::stats
