// In which order a pod's containers are told to end. After upstream's
// pkg/kubelet/kuberuntime/kuberuntime_termination_order.go.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/notifier.hpp"
#include "kube/pod.hpp"

namespace keelson::agent {

// The containers that must have ended before `name` is stopped: for a sidecar all regular containers and the sidecars
// listed after it, so that sidecars end in reverse order, last of all; for any other container none.
[[nodiscard]] std::vector<std::string> ends_before(const kube::PodSpec& spec, const std::string& name);

// Who of those that are stopped together has ended.
class StopOrder {
 public:
  StopOrder(Executor executor, const kube::PodSpec& spec, std::set<std::string> stopping);

  // Returns when it is this container's turn, or at `deadline`: then the time for an orderly end is over.
  Awaitable<void> wait_turn(std::string name, SteadyTime deadline);
  void ended(const std::string& name);

 private:
  [[nodiscard]] bool is_turn(const std::string& name) const;

  Executor executor_;
  std::map<std::string, std::vector<std::string>> before_;  // by container name
  std::set<std::string> running_;
  std::set<Notifier*> waiting_;
};

}  // namespace keelson::agent
