// Lifecycle hooks of containers: postStart and preStop. After upstream's pkg/kubelet/lifecycle/handlers.go.
#pragma once

#include <string>

#include "agent/pod/context.hpp"
#include "kube/container.hpp"

namespace keelson::agent {

struct HookTarget {
  kube::Container container;
  std::string container_id;
  std::string pod_ip;  // empty: not known, an httpGet without a host fails
};

// Runs the hook once: exec (no time limit of its own), httpGet (any answer counts as success), sleep. A handler that is
// none of these is an error, as is a command that exits other than with 0 (its output is in the message). The caller
// bounds the time.
Awaitable<Result<void>> run_hook(PodContext& context, kube::LifecycleHandler hook, HookTarget target);

}  // namespace keelson::agent
