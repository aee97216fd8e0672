// CRI resource settings of containers and sandboxes.
// Follows kubernetes pkg/kubelet/kuberuntime/kuberuntime_container_linux.go and kuberuntime_sandbox_linux.go.
#pragma once

#include "agent/spec/cri_fwd.hpp"
#include "agent/spec/node_facts.hpp"
#include "kube/pod.hpp"

namespace keelson::spec {

// CPU, memory, huge pages, OOM score, and on cgroup v2 oom.group and swap. Also for UpdateContainerResources.
[[nodiscard]] v1::LinuxContainerResources container_resources(const kube::Pod& pod, const kube::Container& container,
                                                              const NodeFacts& node);
// The pod's sums without its overhead, and its overhead: hints to runtimes that size virtual machines.
[[nodiscard]] v1::LinuxContainerResources sandbox_resources(const kube::Pod& pod, const NodeFacts& node);
[[nodiscard]] v1::LinuxContainerResources overhead_resources(const kube::Pod& pod, const NodeFacts& node);

}  // namespace keelson::spec
