#include "agent/pod/observer.hpp"

#include <algorithm>

#include "agent/spec/names.hpp"

namespace keelson::agent {
namespace {

template <class T>
const T* find_by_id(const std::vector<T>& list, const std::string& id) {
  const auto it = std::find_if(list.begin(), list.end(), [&](const auto& x) { return x.id == id; });
  return it == list.end() ? nullptr : &*it;
}

// Whether what is known of the container still holds, given the state that a list shows.
bool still_holds(const ContainerObservation* known, RunState listed) {
  return known != nullptr && known->state == listed && (listed == RunState::running || listed == RunState::exited);
}

Awaitable<Result<void>> observe_sandboxes(cri::RuntimeService& runtime, std::string uid, const PodObservation& previous,
                                          PodObservation& out) {
  cri::v1::ListPodSandboxRequest request;
  (*request.mutable_filter()->mutable_label_selector())[std::string(spec::kPodUidLabel)] = uid;
  CO_TRY(const auto list, co_await runtime.list_pod_sandbox(std::move(request)));
  for (const auto& item : list.items()) {
    const auto* known = find_by_id(previous.sandboxes, item.id());
    const bool ready = item.state() == cri::v1::SANDBOX_READY;
    if (known != nullptr && known->ready == ready) {
      out.sandboxes.push_back(*known);
      continue;
    }
    auto seen = co_await observe_sandbox(runtime, item.id());
    if (!seen && seen.error().code == Errc::not_found) continue;
    if (!seen) co_return seen.error();
    if (known != nullptr) seen->released = known->released;
    out.sandboxes.push_back(std::move(*seen));
  }
  co_return Result<void>();
}

Awaitable<Result<void>> observe_containers(cri::RuntimeService& runtime, BlockingPool& pool, std::string uid,
                                           const PodObservation& previous, PodObservation& out) {
  cri::v1::ListContainersRequest request;
  (*request.mutable_filter()->mutable_label_selector())[std::string(spec::kPodUidLabel)] = uid;
  CO_TRY(const auto list, co_await runtime.list_containers(std::move(request)));
  for (const auto& item : list.containers()) {
    const auto* known = find_by_id(previous.containers, item.id());
    if (still_holds(known, to_run_state(item.state()))) {
      out.containers.push_back(*known);
      continue;
    }
    auto seen = co_await observe_container(runtime, pool, item.id(), item.pod_sandbox_id());
    if (!seen && seen.error().code == Errc::not_found) continue;
    if (!seen) co_return seen.error();
    out.containers.push_back(std::move(*seen));
  }
  co_return Result<void>();
}

}  // namespace

Awaitable<Result<SandboxObservation>> observe_sandbox(cri::RuntimeService& runtime, std::string id) {
  cri::v1::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(id);
  CO_TRY(const auto reply, co_await runtime.pod_sandbox_status(std::move(request)));
  co_return to_observation(reply.status());
}

Awaitable<Result<ContainerObservation>> observe_container(cri::RuntimeService& runtime, BlockingPool& pool,
                                                          std::string id, std::string sandbox_id) {
  cri::v1::ContainerStatusRequest request;
  request.set_container_id(id);
  CO_TRY(const auto reply, co_await runtime.container_status(std::move(request)));
  auto out = to_observation(reply.status(), std::move(sandbox_id));
  if (out.state == RunState::exited) {
    auto read = [status = reply.status()] { return read_termination_message(status); };
    out.message = co_await pool.run(std::move(read));
  }
  co_return out;
}

Awaitable<Result<PodObservation>> observe_pod(cri::RuntimeService& runtime, BlockingPool& pool, std::string uid,
                                              PodObservation previous) {
  PodObservation out;
  CO_CHECK_OK(co_await observe_sandboxes(runtime, uid, previous, out));
  CO_CHECK_OK(co_await observe_containers(runtime, pool, uid, previous, out));
  sort_newest_first(out);
  co_return out;
}

}  // namespace keelson::agent
