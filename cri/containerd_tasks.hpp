// containerd's task service, below CRI: a task is a container's process as its shim holds it.
#pragma once

#include <string>

#include "base/async.hpp"

namespace keelson::cri {

class Channel;

// Kills the task of container `id` (namespace k8s.io) if it still runs, and deletes it. What is not there is done.
// Errors: unimplemented where the runtime is not containerd; what containerd answered; deadline_exceeded when the task
// does not end in some seconds. Upstream: `ctr tasks delete --force`.
Awaitable<Result<void>> end_containerd_task(Channel& channel, std::string id);

}  // namespace keelson::cri
