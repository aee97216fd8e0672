// From what the runtime says of a pod to the PodStatus that the API shows, as a pure function. After upstream's
// generateAPIPodStatus and getPhase (pkg/kubelet/kubelet_pods.go) and pkg/kubelet/status/generate.go.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/pod/plan.hpp"
#include "agent/pod/resize.hpp"
#include "kube/pod_status.hpp"

namespace keelson::agent {

struct StatusInput {
  const kube::Pod& pod;
  const PodObservation& observed;
  const ProbeFactsMap& probes;
  const std::map<std::string, Waiting>& waiting;  // start failures and backoffs, by container name
  const kube::PodStatus& previous;                // what was last published: start time, transition times, lastState
  const std::vector<std::string>& host_ips;       // of this node, primary first
  const std::string& runtime_name;                // the scheme of container IDs, e.g. "containerd"
  SystemTime now;
  bool stopping = false;             // the pod is being deleted or stopped
  const Waiting* failure = nullptr;  // why the pod as a whole has failed; it is Failed once nothing of it runs
  bool recursive_read_only = false;  // the runtime has it: read-only mounts that ask for it are Enabled
  const ActuatedMap* actuated = nullptr;  // resources as they were set on the containers
  const Waiting* resizing = nullptr;      // a resize is under way; its reason and message where it fails
};

[[nodiscard]] kube::PodStatus make_status(const StatusInput& input);

// A status for a pod that was refused: phase Failed with reason and message.
[[nodiscard]] kube::PodStatus rejected_status(const kube::Pod& pod, const std::string& reason,
                                              const std::string& message, SystemTime now);

// Succeeded or Failed: a phase that never changes back.
[[nodiscard]] bool is_terminal_phase(const std::string& phase);

// Whether the Ready condition is True.
[[nodiscard]] bool is_ready(const kube::PodStatus& status);

}  // namespace keelson::agent
