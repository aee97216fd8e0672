#include "agent/pod/status.hpp"

#include <algorithm>

#include "agent/pod/conditions.hpp"
#include "agent/spec/qos.hpp"
#include "agent/spec/resources.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using spec::is_sidecar;

kube::Time truncated(SystemTime time) { return std::chrono::floor<Seconds>(time); }

std::string container_uri(const StatusInput& in, const std::string& id) { return in.runtime_name + "://" + id; }

kube::ContainerState terminated_state(const StatusInput& in, const ContainerObservation& c) {
  kube::ContainerStateTerminated t;
  t.exit_code = c.exit_code;
  t.reason = c.reason;
  t.message = c.message;
  if (c.started_at > SystemTime{}) t.started_at = truncated(c.started_at);
  if (c.finished_at > SystemTime{}) t.finished_at = truncated(c.finished_at);
  t.container_id = container_uri(in, c.id);
  return {.waiting = {}, .running = {}, .terminated = t};
}

kube::ContainerState state_of(const StatusInput& in, const ContainerObservation& c) {
  switch (c.state) {
    case RunState::running:
      return {.waiting = {}, .running = kube::ContainerStateRunning{truncated(c.started_at)}, .terminated = {}};
    case RunState::exited:
      return terminated_state(in, c);
    case RunState::created:
    case RunState::unknown:
      break;
  }
  return {};
}

const ProbeFacts& facts_of(const StatusInput& in, const std::string& name) {
  static const ProbeFacts kNone;
  const auto it = in.probes.find(name);
  return it == in.probes.end() ? kNone : it->second;
}

// The status that an earlier publication had for this container: it survives when the runtime has forgotten it.
const kube::ContainerStatus* previous_of(const std::vector<kube::ContainerStatus>& list, const std::string& name) {
  const auto it = std::find_if(list.begin(), list.end(), [&](const auto& s) { return s.name == name; });
  return it == list.end() ? nullptr : &*it;
}

// The container's mounts as they are; recursiveReadOnly is told of read-only ones only.
std::vector<kube::VolumeMountStatus> mount_statuses(const StatusInput& in, const kube::Container& container) {
  std::vector<kube::VolumeMountStatus> out;
  for (const kube::VolumeMount& mount : container.volume_mounts) {
    kube::VolumeMountStatus& status = out.emplace_back();
    status.name = mount.name;
    status.mount_path = mount.mount_path;
    status.read_only = mount.read_only;
    if (!mount.read_only) continue;
    const bool wanted = mount.recursive_read_only == "Enabled" || mount.recursive_read_only == "IfPossible";
    status.recursive_read_only = wanted && in.recursive_read_only ? "Enabled" : "Disabled";
  }
  return out;
}

void fill_from_runtime(const StatusInput& in, const ContainerObservation& c, kube::ContainerStatus& out) {
  out.restart_count = static_cast<std::int32_t>(c.attempt);
  out.container_id = container_uri(in, c.id);
  out.image_id = c.image_id;
  if (!c.image.empty()) out.image = c.image;
  out.state = state_of(in, c);
  if (c.user)
    out.user = kube::ContainerUser{kube::LinuxContainerUser{c.user->uid, c.user->gid, c.user->supplemental_groups}};
}

// A waiting reason takes the place of an exit that will be tried again; the exit becomes lastState.
void apply_waiting(const Waiting& waiting, kube::ContainerStatus& out) {
  if (out.state.running) return;
  if (out.state.terminated) out.last_state = out.state;
  out.state = {
      .waiting = kube::ContainerStateWaiting{waiting.reason, waiting.message}, .running = {}, .terminated = {}};
}

enum class Role { init, regular, ephemeral };

// Whether it is started, and ready. Plain init containers are ready when they are done, ephemeral ones never.
void fill_readiness(const StatusInput& in, const kube::Container& spec, Role role, kube::ContainerStatus& out) {
  const bool running = out.state.running.has_value();
  if (role == Role::ephemeral) return;
  if (role == Role::init && !is_sidecar(spec)) {
    out.started = running;
    out.ready = out.state.terminated && out.state.terminated->exit_code == 0;
    return;
  }
  const auto& facts = facts_of(in, spec.name);
  out.started = running && facts.started;
  out.ready = running && facts.started && facts.ready;
}

kube::ContainerStatus make_container_status(const StatusInput& in, const kube::Container& spec, Role role,
                                            const kube::ContainerStatus* previous) {
  kube::ContainerStatus out;
  out.name = spec.name;
  out.image = spec.image;
  const auto* newest = in.observed.find(spec.name);
  if (newest != nullptr) {
    fill_from_runtime(in, *newest, out);
    out.volume_mounts = mount_statuses(in, spec);
    if (const auto* older = in.observed.find(spec.name, 1); older != nullptr && older->state == RunState::exited) {
      out.last_state = terminated_state(in, *older);
    }
  } else if (previous != nullptr && previous->state.terminated) {
    out = *previous;
  }
  const auto waiting = in.waiting.find(spec.name);
  if (waiting != in.waiting.end()) {
    apply_waiting(waiting->second, out);
  } else if (!out.state.running && !out.state.terminated) {
    const bool waits_for_init = role != Role::ephemeral && !in.pod.spec.init_containers.empty();
    out.state.waiting = kube::ContainerStateWaiting{waits_for_init ? "PodInitializing" : "ContainerCreating", ""};
  }
  fill_readiness(in, spec, role, out);
  if (!spec.resources.requests.empty() || !spec.resources.limits.empty()) {
    out.allocated_resources = spec.resources.requests;
    const auto set = in.actuated == nullptr ? ActuatedMap::const_iterator() : in.actuated->find(spec.name);
    out.resources = in.actuated != nullptr && set != in.actuated->end() ? set->second : spec.resources;
  }
  return out;
}

// A message never exceeds its share of 12 KiB for the whole pod (status_manager.go normalizeStatus).
void bound_messages(kube::PodStatus& status) {
  const auto total = status.init_container_statuses.size() + status.container_statuses.size() +
                     status.ephemeral_container_statuses.size();
  if (total == 0) return;
  const std::size_t limit = 12288 / total;
  const auto cut = [&](kube::ContainerStatus& s) {
    for (auto* state : {&s.state, &s.last_state}) {
      if (state->terminated && state->terminated->message.size() > limit) state->terminated->message.resize(limit);
    }
  };
  std::for_each(status.init_container_statuses.begin(), status.init_container_statuses.end(), cut);
  std::for_each(status.container_statuses.begin(), status.container_statuses.end(), cut);
  std::for_each(status.ephemeral_container_statuses.begin(), status.ephemeral_container_statuses.end(), cut);
}

void fill_addresses(const StatusInput& in, kube::PodStatus& out) {
  if (!in.host_ips.empty()) out.host_ip = in.host_ips.front();
  for (const auto& ip : in.host_ips) out.host_ips.push_back({ip});
  std::vector<std::string> ips;
  if (in.pod.spec.host_network) {
    if (!in.observed.sandboxes.empty()) ips = in.host_ips;
  } else if (!in.observed.sandboxes.empty()) {
    ips = in.observed.sandboxes.front().ips;
  }
  if (ips.empty() && is_terminal_phase(in.previous.phase)) {
    for (const auto& entry : in.previous.pod_ips) ips.push_back(entry.ip);
  }
  if (!ips.empty()) out.pod_ip = ips.front();
  for (const auto& ip : ips) out.pod_ips.push_back({ip});
}

struct PhaseCounts {
  int waiting = 0, running = 0, stopped = 0, succeeded = 0, restartable = 0;
};

PhaseCounts count_regular(const StatusInput& in, const kube::PodStatus& status) {
  PhaseCounts n;
  for (std::size_t i = 0; i < status.container_statuses.size(); ++i) {
    const auto& s = status.container_statuses[i];
    if (s.state.running) {
      ++n.running;
    } else if (s.state.terminated) {
      const auto& exit = *s.state.terminated;
      ++n.stopped;
      n.succeeded += exit.exit_code == 0 ? 1 : 0;
      n.restartable += restarts_after_exit(in.pod, in.pod.spec.containers[i], false, exit.exit_code, exit.reason) ? 1 : 0;
    } else if (s.last_state.terminated) {
      ++n.stopped;  // waiting for its restart: it counts as the exit it had
      n.succeeded += s.last_state.terminated->exit_code == 0 ? 1 : 0;
      ++n.restartable;
    } else {
      ++n.waiting;
    }
  }
  return n;
}

// True with the init containers done; sets `failed` where one failed for good.
bool init_phase_done(const StatusInput& in, const kube::PodStatus& status, bool& failed) {
  bool done = true;
  for (std::size_t i = 0; i < status.init_container_statuses.size(); ++i) {
    const auto& spec = in.pod.spec.init_containers[i];
    const auto& s = status.init_container_statuses[i];
    if (is_sidecar(spec)) {
      done = done && (s.started.value_or(false) || s.state.terminated || s.last_state.terminated);
      continue;
    }
    const bool exited_ok = s.state.terminated && s.state.terminated->exit_code == 0;
    done = done && exited_ok;
    failed = failed || (s.state.terminated && !exited_ok &&
                        !restarts_after_exit(in.pod, spec, true, s.state.terminated->exit_code, s.state.terminated->reason));
  }
  return done;
}

std::string phase_of(const StatusInput& in, const kube::PodStatus& status) {
  if (is_terminal_phase(in.previous.phase)) return in.previous.phase;
  bool init_failed = false;
  const bool init_done = init_phase_done(in, status, init_failed);
  if (init_failed) return "Failed";
  const auto n = count_regular(in, status);
  const bool regular_seen = n.running + n.stopped > 0;
  const auto total = static_cast<int>(status.container_statuses.size());
  const bool may_restart = !in.stopping && n.restartable > 0;
  if (!init_done && !regular_seen) return in.stopping && !in.observed.any_running() ? "Failed" : "Pending";
  if (n.waiting > 0 && !in.stopping) return "Pending";
  if (n.running > 0) return "Running";
  if (n.stopped == 0) return in.stopping ? "Failed" : "Pending";
  if (may_restart) return "Running";
  return n.succeeded == total ? "Succeeded" : "Failed";
}

// It never had a container here, and says why.
bool was_refused(const StatusInput& in) {
  const auto& before = in.previous;
  return before.phase == "Failed" && !before.reason.empty() && before.container_statuses.empty() &&
         in.observed.containers.empty();
}

}  // namespace

bool is_terminal_phase(const std::string& phase) { return phase == "Succeeded" || phase == "Failed"; }

kube::PodStatus make_status(const StatusInput& in) {
  if (was_refused(in)) return in.previous;
  kube::PodStatus out;
  out.observed_generation = in.pod.metadata.generation > 0 ? std::optional(in.pod.metadata.generation) : std::nullopt;
  out.qos_class = std::string(spec::to_string(spec::qos_class(in.pod)));
  out.start_time = in.previous.start_time ? in.previous.start_time : std::optional(truncated(in.now));
  out.reason = in.previous.reason;
  out.message = in.previous.message;
  fill_addresses(in, out);
  for (const auto& c : in.pod.spec.init_containers) {
    out.init_container_statuses.push_back(
        make_container_status(in, c, Role::init, previous_of(in.previous.init_container_statuses, c.name)));
  }
  for (const auto& c : in.pod.spec.containers) {
    out.container_statuses.push_back(
        make_container_status(in, c, Role::regular, previous_of(in.previous.container_statuses, c.name)));
  }
  for (const auto& c : in.pod.spec.ephemeral_containers) {
    const auto* before = previous_of(in.previous.ephemeral_container_statuses, c.name);
    out.ephemeral_container_statuses.push_back(make_container_status(in, c, Role::ephemeral, before));
  }
  bound_messages(out);
  out.phase = phase_of(in, out);
  if (in.failure != nullptr && !is_terminal_phase(in.previous.phase) && !in.observed.any_running()) {
    out.phase = "Failed";
    out.reason = in.failure->reason;
    out.message = in.failure->message;
  }
  out.conditions = make_conditions(in, out);
  std::sort(out.container_statuses.begin(), out.container_statuses.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

kube::PodStatus rejected_status(const kube::Pod& pod, const std::string& reason, const std::string& message,
                                SystemTime now) {
  kube::PodStatus out;
  out.phase = "Failed";
  out.reason = reason;
  out.message = "Pod was rejected: " + message;
  out.start_time = truncated(now);
  out.qos_class = std::string(spec::to_string(spec::qos_class(pod)));
  return out;
}

bool is_ready(const kube::PodStatus& status) {
  return std::any_of(status.conditions.begin(), status.conditions.end(),
                     [](const auto& c) { return c.type == "Ready" && c.status == "True"; });
}

}  // namespace keelson::agent
