// PodWorker: removes containers and sandboxes from the runtime, also those of which it has lost count.
#include "agent/pod/worker.hpp"
#include "agent/spec/cgroup_name.hpp"
#include "agent/spec/qos.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

constexpr int kTries = 3;
constexpr Milliseconds kDying{100};  // what was killed needs a moment, and so does the runtime to notice

bool is_done(const Result<void>& removed) { return removed || removed.error().code == Errc::not_found; }

template <class Reply>
Result<void> outcome(const Result<Reply>& reply) {
  return reply ? Result<void>() : Result<void>(reply.error());
}

}  // namespace

// containerd takes a container for ended whose start was cancelled (the client died), while its process goes on; then
// it refuses to remove "a running task", for ever. The process is in the container's cgroup.
Awaitable<bool> PodWorker::kill_rest(std::vector<std::string> container_ids) {
  auto work = [cgroups = ctx_.cgroups, ids = std::move(container_ids),
               name = spec::pod_cgroup(ctx_.facts.cgroup_root, spec::qos_class(*pod_), uid())]() mutable {
    int killed = 0;
    for (const auto& id : ids) {
      if (const auto count = cgroups.kill_all(name, id)) killed += *count;
    }
    return killed;
  };
  const int killed = co_await run_job(std::move(work));
  if (killed == 0) co_return false;
  log_warn("killed what the runtime thought had ended", {{"pod", key()}, {"processes", killed}});
  co_await sleep_for(kDying);
  co_return true;
}

Awaitable<Result<void>> PodWorker::remove_container(std::string id) {
  const std::vector<std::string> self = {id};
  for (int tries = 1;; ++tries) {
    cri::v1::RemoveContainerRequest request;
    request.set_container_id(id);
    const auto reply = co_await ctx_.runtime.remove_container(std::move(request));
    const auto removed = outcome(reply);
    if (is_done(removed)) co_return Result<void>();
    if (tries == kTries) co_return removed;
    const bool killed = co_await kill_rest(self);
    if (!killed) co_return removed;
  }
}

Awaitable<Result<void>> PodWorker::remove_sandbox(std::string id) {
  std::vector<std::string> containers;
  for (const auto& c : observed_.containers) {
    if (c.sandbox_id == id) containers.push_back(c.id);
  }
  for (int tries = 1;; ++tries) {
    cri::v1::RemovePodSandboxRequest request;
    request.set_pod_sandbox_id(id);
    const auto reply = co_await ctx_.runtime.remove_pod_sandbox(std::move(request));
    const auto removed = outcome(reply);
    if (is_done(removed)) co_return Result<void>();
    if (tries == kTries) co_return removed;
    const bool killed = co_await kill_rest(containers);
    if (!killed) co_return removed;
  }
}

}  // namespace keelson::agent
