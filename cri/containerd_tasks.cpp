#include "cri/containerd_tasks.hpp"

#include <csignal>

#include "cri/channel.hpp"
#include "cri/containerd_tasks.pb.h"

namespace keelson::cri {
namespace {

namespace tasks = ::containerd::services::tasks::v1;

constexpr const char* kKill = "/containerd.services.tasks.v1.Tasks/Kill";
constexpr const char* kDelete = "/containerd.services.tasks.v1.Tasks/Delete";
constexpr Milliseconds kTimeout{10'000};
constexpr Milliseconds kLongestPause{2'000};

bool is_gone(const Result<void>& done) { return !done && done.error().code == Errc::not_found; }

// A task that has ended already cannot be killed, and containerd's versions say so in different ways: what Delete says
// then is what counts.
Awaitable<void> kill(Channel& channel, std::string id) {
  tasks::KillRequest request;
  request.set_container_id(std::move(id));
  request.set_signal(SIGKILL);
  request.set_all(true);
  tasks::KillResponse response;
  co_await channel.unary(kKill, request, response, kTimeout);
}

}  // namespace

Awaitable<Result<void>> end_containerd_task(Channel& channel, std::string id) {
  co_await kill(channel, id);
  tasks::DeleteTaskRequest request;
  request.set_container_id(std::move(id));
  for (Milliseconds pause{20};; pause *= 2) {
    tasks::DeleteResponse response;
    const auto deleted = co_await channel.unary(kDelete, request, response, kTimeout);
    if (deleted || is_gone(deleted)) co_return Result<void>();
    if (deleted.error().code != Errc::failed_precondition) co_return deleted;
    if (pause > kLongestPause) co_return make_error(Errc::deadline_exceeded, deleted.error().message);
    co_await sleep_for(pause);  // the shim has yet to see the end of the process
  }
}

}  // namespace keelson::cri
