// PodWorker: removes containers and sandboxes from the runtime, also those of which it has lost count.
#include "agent/pod/worker.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

bool is_done(const Result<void>& removed) { return removed || removed.error().code == Errc::not_found; }

template <class Reply>
Result<void> outcome(const Result<Reply>& reply) {
  return reply ? Result<void>() : Result<void>(reply.error());
}

}  // namespace

// containerd takes a container for ended whose start was cancelled (its client died), while the task is there; then it
// refuses to remove "a running task", for ever. True: that is over.
Awaitable<bool> PodWorker::end_lost_tasks(std::vector<std::string> container_ids) {
  for (auto& id : container_ids) {
    const auto ended = co_await ctx_.runtime.end_lost_task(id);
    if (ended) continue;
    log_debug("task not ended", {{"pod", key()}, {"container", id}, {"error", ended.error()}});
    co_return false;
  }
  log_warn("ended what the runtime had lost count of", {{"pod", key()}, {"containers", container_ids.size()}});
  co_return true;
}

Awaitable<Result<void>> PodWorker::remove_container(std::string id) {
  const std::vector<std::string> self = {id};
  for (bool last = false;; last = true) {
    cri::v1::RemoveContainerRequest request;
    request.set_container_id(id);
    const auto reply = co_await ctx_.runtime.remove_container(std::move(request));
    const auto removed = outcome(reply);
    if (is_done(removed)) co_return Result<void>();
    if (last || removed.error().code != Errc::failed_precondition) co_return removed;
    const bool ended = co_await end_lost_tasks(self);
    if (!ended) co_return removed;
  }
}

Awaitable<Result<void>> PodWorker::remove_sandbox(std::string id) {
  std::vector<std::string> tasks = {id};
  for (const auto& c : observed_.containers) {
    if (c.sandbox_id == id) tasks.push_back(c.id);
  }
  for (bool last = false;; last = true) {
    cri::v1::RemovePodSandboxRequest request;
    request.set_pod_sandbox_id(id);
    const auto reply = co_await ctx_.runtime.remove_pod_sandbox(std::move(request));
    const auto removed = outcome(reply);
    if (is_done(removed)) co_return Result<void>();
    if (last || removed.error().code != Errc::failed_precondition) co_return removed;
    const bool ended = co_await end_lost_tasks(tasks);
    if (!ended) co_return removed;
  }
}

}  // namespace keelson::agent
