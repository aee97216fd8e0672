// Which host ids pods with a user namespace may have. Follows kubernetes pkg/kubelet/kubelet_pods.go
// (getKubeletMappings).
#pragma once

#include "agent/spec/user_namespaces.hpp"
#include "base/async.hpp"

namespace keelson::agent {

// What getsubids(1) says of the user "kubelet", users and groups alike; all blocks but the first where there is no such
// user or no getsubids. Errors: it fails, says something else, or different ranges.
Awaitable<Result<spec::IdRange>> user_namespace_range();

}  // namespace keelson::agent
