// In-place resize of CPU and memory, as pure functions. A container's resources exist three times: as the spec wants
// them, as the node has granted them (the pod that a worker has), and as they were last set on the running container
// (`actuated`). After upstream's pkg/kubelet/allocation and doPodResizeAction (pkg/kubelet/kuberuntime).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/pod/observation.hpp"
#include "agent/spec/qos.hpp"
#include "kube/pod.hpp"

namespace keelson::agent {

using ActuatedMap = std::map<std::string, kube::ResourceRequirements>;  // by container name; absent: as granted

// Whether CPU or memory, requested or limited, of a regular container or sidecar differ.
[[nodiscard]] bool wants_resize(const kube::Pod& desired, const kube::Pod& granted);
// `pod` with the CPU and memory that `granted` has, container by container.
[[nodiscard]] kube::Pod with_resources_of(kube::Pod pod, const kube::Pod& granted);
[[nodiscard]] kube::Pod with_resources_of(kube::Pod pod, const ActuatedMap& actuated);
// "Pod resize started: {containers, generation}": what upstream's events say (pkg/kubelet/events/resize.go). `error` may
// be empty.
[[nodiscard]] std::string resize_message(const kube::Pod& pod, const std::string& what, const std::string& error = {});

// The pod's PodResizePending condition is set to this, or taken away.
void set_resize_pending(kube::Pod& pod, const std::string& reason, const std::string& message, SystemTime now);
[[nodiscard]] bool has_resize_pending(const kube::Pod& pod);
void clear_resize_pending(kube::Pod& pod);

struct ContainerResize {
  std::string id;
  std::string name;
  std::int64_t memory_limit = 0;     // bytes; 0: none
  bool lowers_memory_limit = false;  // refused by most runtimes below what is used
};

struct ResizePlan {
  bool in_progress = false;
  std::set<std::string> restart;        // containers whose resizePolicy wants a restart
  std::vector<ContainerResize> update;  // to be set on the running container, in this order: what gives back comes first
};
[[nodiscard]] ResizePlan plan_resize(const kube::Pod& pod, const PodObservation& observed, const ActuatedMap& actuated);

// What allows both: the pod's cgroup while its containers go from the one to the other.
[[nodiscard]] spec::CgroupResources widest(const spec::CgroupResources& a, const spec::CgroupResources& b);

}  // namespace keelson::agent
