// What the pods' volumes take, for statistics: measured when somebody asks, each pod at most once in a period, and
// never in between. After upstream's pkg/kubelet/server/stats/volume_stat_calculator.go, which measures all the time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/daemon/daemon.hpp"
#include "agent/stats/sample.hpp"
#include "base/notifier.hpp"
#include "kube/pod.hpp"
#include "volumes/usage.hpp"

namespace keelson::agent {

// The samples of a pod's volumes of which something is known. `usages`: by the volume's inner name; `claimed`: the
// PersistentVolume of each of the pod's claims, by the claim's name. Pure.
[[nodiscard]] std::vector<stats::VolumeSample> volume_samples(const kube::Pod& pod,
                                                              const std::map<std::string, volumes::VolumeUsage>& usages,
                                                              const std::map<std::string, std::string>& claimed,
                                                              SystemTime now);

// The claim that a volume of the pod stands for, generic ephemeral ones included; empty: none.
[[nodiscard]] std::string claim_name(const kube::Pod& pod, const kube::Volume& volume);

class VolumeStats {
 public:
  // `parts` must outlive this; its modules may be made after this. `period`: below zero nothing is measured.
  VolumeStats(Daemon::Parts& parts, const Executor& executor, Nanoseconds period);

  enum class Which { all, claims };  // claims: of pods that have any
  // Measures what is older than the period, and waits for it a while: a volume that hangs does not hold up who asks.
  // What was measured last is what counts until then.
  Awaitable<void> refresh(Which which = Which::all);
  // As last measured; empty when it was not yet.
  [[nodiscard]] const std::vector<stats::VolumeSample>& of(const std::string& pod_uid) const;

 private:
  struct Measured {
    SteadyTime at{};
    std::map<std::string, std::string> claimed;  // claim -> PersistentVolume; a binding does not change
    std::vector<stats::VolumeSample> samples;
  };
  using PodPtr = std::shared_ptr<const kube::Pod>;
  [[nodiscard]] std::vector<PodPtr> due_pods(Which which);
  Awaitable<void> measure(std::vector<PodPtr> pods);
  Awaitable<void> measure_one(PodPtr pod);

  Daemon::Parts& parts_;
  Nanoseconds period_;
  std::map<std::string, Measured> measured_;  // by pod UID
  bool busy_ = false;
  Notifier done_;  // measure() -> refresh()
};

}  // namespace keelson::agent
