#include "agent/pod/observer.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "agent/pod/termination_message.hpp"
#include "agent/spec/names.hpp"

namespace keelson::agent {
namespace {

SystemTime from_nanos(std::int64_t nanos) { return SystemTime(Nanoseconds(nanos)); }

kube::StringMap to_map(const google::protobuf::Map<std::string, std::string>& in) { return {in.begin(), in.end()}; }

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

RunState to_run_state(cri::v1::ContainerState state) {
  switch (state) {
    case cri::v1::CONTAINER_CREATED:
      return RunState::created;
    case cri::v1::CONTAINER_RUNNING:
      return RunState::running;
    case cri::v1::CONTAINER_EXITED:
      return RunState::exited;
    default:
      return RunState::unknown;
  }
}

SandboxObservation to_observation(const cri::v1::PodSandboxStatus& status) {
  SandboxObservation out;
  out.id = status.id();
  out.attempt = status.metadata().attempt();
  out.ready = status.state() == cri::v1::SANDBOX_READY;
  out.host_network = status.linux().namespaces().options().network() == cri::v1::NODE;
  out.created_at = from_nanos(status.created_at());
  if (!status.network().ip().empty()) out.ips.push_back(status.network().ip());
  for (const auto& ip : status.network().additional_ips()) out.ips.push_back(ip.ip());
  return out;
}

ContainerObservation to_observation(const cri::v1::ContainerStatus& status, std::string sandbox_id) {
  const auto identity = spec::container_identity(to_map(status.labels()), to_map(status.annotations()));
  ContainerObservation out;
  out.id = status.id();
  out.name = identity.name.empty() ? status.metadata().name() : identity.name;
  out.sandbox_id = std::move(sandbox_id);
  out.attempt = status.metadata().attempt();
  out.state = to_run_state(status.state());
  out.created_at = from_nanos(status.created_at());
  out.started_at = from_nanos(status.started_at());
  out.finished_at = from_nanos(status.finished_at());
  out.exit_code = status.exit_code();
  out.reason = status.reason();
  out.message = status.message();
  out.image = status.image().image();
  out.image_id = status.image_ref();
  out.hash = identity.hash;
  out.log_path = status.log_path();
  if (status.has_user() && status.user().has_linux()) {
    const auto& user = status.user().linux();
    out.user =
        ContainerUser{user.uid(), user.gid(), {user.supplemental_groups().begin(), user.supplemental_groups().end()}};
  }
  return out;
}

std::string read_termination_message(const cri::v1::ContainerStatus& status) {
  const auto identity = spec::container_identity(to_map(status.labels()), to_map(status.annotations()));
  TerminationMessageInput in;
  in.policy = identity.termination_message_policy;
  in.exit_code = status.exit_code();
  in.reason = status.reason();
  in.runtime_message = status.message();
  for (const auto& mount : status.mounts()) {
    if (!identity.termination_message_path.empty() && mount.container_path() == identity.termination_message_path) {
      in.file = mount.host_path();
    }
  }
  in.log_file = status.log_path();
  return termination_message(in);
}

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
