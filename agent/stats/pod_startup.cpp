#include "agent/stats/pod_startup.hpp"

#include <algorithm>

namespace keelson::stats {
namespace {

double seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

bool all_running(const kube::PodStatus& status) {
  const auto& list = status.container_statuses;
  return !list.empty() &&
         std::all_of(list.begin(), list.end(), [](const auto& c) { return c.state.running.has_value(); });
}

}  // namespace

void PodStartup::shown(const kube::Pod& pod, SystemTime now) {
  const auto& phase = pod.status.phase;
  const auto& uid = pod.metadata.uid;
  if (phase == "Failed" || phase == "Succeeded") return gone(uid);
  const auto found = pods_.find(uid);
  if (found == pods_.end()) {
    if (!pod.status.start_time) pods_[uid].first_shown = now;
    return;
  }
  const auto& start = found->second;
  if (!start.started || !all_running(pod.status) || !pod.metadata.creation_timestamp) return;
  const Nanoseconds whole = now - *pod.metadata.creation_timestamp;
  const Nanoseconds pulls =
      start.first_pull && start.last_pulled ? *start.last_pulled - *start.first_pull : Nanoseconds(0);
  whole_.observe(seconds(whole));
  without_pulls_.observe(seconds(whole - pulls));
  pods_.erase(found);
}

void PodStartup::status(const std::string& uid, const kube::PodStatus& status, SystemTime now) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  auto& start = found->second;
  if (!start.ran && status.phase == "Running") {
    start.ran = true;
    seen_to_running_.observe(seconds(now - start.first_shown));
  }
  start.started = start.started || all_running(status);
}

void PodStartup::pull_started(const std::string& uid, SystemTime now) {
  const auto found = pods_.find(uid);
  if (found != pods_.end() && !found->second.first_pull) found->second.first_pull = now;
}

void PodStartup::pull_ended(const std::string& uid, SystemTime now) {
  const auto found = pods_.find(uid);
  if (found != pods_.end() && found->second.first_pull) found->second.last_pulled = now;
}

void PodStartup::write(MetricText& out) const {
  out.family("kubelet_pod_start_duration_seconds", "histogram",
             "[ALPHA] Seconds from the first sight of a pod until it runs");
  out.histogram(seen_to_running_);
  out.family("kubelet_pod_start_sli_duration_seconds", "histogram",
             "[ALPHA] Seconds from a pod's creation until all its containers are seen as started, without image pulls");
  out.histogram(without_pulls_);
  out.family("kubelet_pod_start_total_duration_seconds", "histogram",
             "[ALPHA] Seconds from a pod's creation until all its containers are seen as started");
  out.histogram(whole_);
}

}  // namespace keelson::stats
