// What the agent tells the probes about a pod.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "kube/pod.hpp"

namespace keelson::probes {

// One container as the agent last observed it in the runtime.
struct ObservedContainer {
  std::string name;
  std::string id;  // of the newest instance; empty: never created
  bool running = false;
  SystemTime started_at{};  // of that instance; read only while running
  // For an instance that runs since before the agent: what the pod's status said of it. Kept until the first new
  // result.
  std::optional<bool> was_started;
  std::optional<bool> was_ready;
};

struct PodProbes {
  std::shared_ptr<const kube::Pod> pod;  // the probes are read from its spec: containers and sidecars
  std::string pod_ip;                    // the node's IP with hostNetwork; empty: not known yet, network probes wait
  bool terminating = false;              // liveness and startup probes end as successful, readiness goes on
  std::vector<ObservedContainer> containers;  // any order; one that is not listed counts as not created
};

}  // namespace keelson::probes
