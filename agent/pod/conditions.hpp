// The five pod conditions that a node agent owns. After upstream's pkg/kubelet/status/generate.go.
#pragma once

#include <vector>

#include "agent/pod/status.hpp"

namespace keelson::agent {

// The conditions for `status`, whose phase and container statuses (in spec order) are already there, in upstream's
// order: PodReadyToStartContainers, Initialized, Ready, ContainersReady, PodScheduled, and DisruptionTarget where the node
// ended the pod. lastTransitionTime is kept from
// input.previous where the condition's status is the same.
[[nodiscard]] std::vector<kube::PodCondition> make_conditions(const StatusInput& input, const kube::PodStatus& status);

}  // namespace keelson::agent
