// The observer's pure half: what one answer of the runtime says. Apart from the rest so that it can be fuzzed alone.
#include "agent/pod/observer.hpp"
#include "agent/pod/termination_message.hpp"
#include "agent/spec/names.hpp"

namespace keelson::agent {
namespace {

SystemTime from_nanos(std::int64_t nanos) { return SystemTime(Nanoseconds(nanos)); }

kube::StringMap to_map(const google::protobuf::Map<std::string, std::string>& in) { return {in.begin(), in.end()}; }

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

}  // namespace keelson::agent
