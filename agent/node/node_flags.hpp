// The texts of --node-labels and --register-with-taints. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "kube/node.hpp"

namespace keelson::agent {

// "a=b,kubernetes.io/os=linux". Keys of the domains kubernetes.io and k8s.io are only those that a node may set of
// itself (upstream: cmd/kubelet/app/options validates against staging kubelet/pkg/apis/well_known_labels.go). Errors
// name the label.
Result<kube::StringMap> parse_node_labels(std::string_view text);

// "key=value:NoSchedule,other:NoExecute". Errors name the taint.
Result<std::vector<kube::Taint>> parse_taints(std::string_view text);

}  // namespace keelson::agent
