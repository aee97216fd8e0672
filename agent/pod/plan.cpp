#include "agent/pod/plan.hpp"

#include <algorithm>

#include "agent/spec/names.hpp"
#include "agent/spec/resources.hpp"

namespace keelson::agent {

using spec::is_sidecar;

namespace {

bool succeeded(const ContainerObservation& c) {
  return c.state == RunState::exited && c.exit_code == 0 && c.reason != "OOMKilled";
}

ProbeFacts facts_of(const ProbeFactsMap& probes, const std::string& name) {
  const auto it = probes.find(name);
  return it == probes.end() ? ProbeFacts{} : it->second;
}

bool any_regular_created(const kube::Pod& pod, const PodObservation& observed) {
  return std::any_of(pod.spec.containers.begin(), pod.spec.containers.end(),
                     [&](const auto& c) { return observed.find_current(c.name) != nullptr; });
}

bool all_regular_succeeded(const kube::Pod& pod, const PodObservation& observed) {
  return std::all_of(pod.spec.containers.begin(), pod.spec.containers.end(), [&](const auto& c) {
    const auto* seen = observed.find(c.name);
    return seen != nullptr && succeeded(*seen);
  });
}

// restartPolicyRules: the first rule that the exit code meets decides, and all that it can say is Restart.
bool rule_says_restart(const kube::Container& container, int exit_code) {
  const auto meets = [&](const kube::ContainerRestartRule& rule) {
    if (!rule.exit_codes) return false;
    const auto& values = rule.exit_codes->values;
    const bool listed = std::find(values.begin(), values.end(), exit_code) != values.end();
    return rule.exit_codes->op == "NotIn" ? !listed : listed;
  };
  const auto& rules = container.restart_policy_rules;
  const auto first = std::find_if(rules.begin(), rules.end(), meets);
  return first != rules.end() && first->action == "Restart";
}

std::string seconds_text(Nanoseconds delay) {
  const auto total = std::chrono::duration_cast<Seconds>(delay).count();
  const auto minutes = total / 60;
  return minutes > 0 ? std::to_string(minutes) + "m" + std::to_string(total % 60) + "s" : std::to_string(total) + "s";
}

// One round of planning; members are the input and what has been decided so far.
class Planner {
 public:
  explicit Planner(const PlanInput& input) : in_(input), spec_(input.pod.spec) {}

  Plan run() {
    if (in_.ended) return give_up();
    const auto change = sandbox_change(in_.pod, in_.observed);
    if (change.needed) return with_new_sandbox(change.attempt);
    prune();
    start_ephemeral();
    const bool init_done = any_regular_created(in_.pod, in_.observed) ? keep_sidecars() : plan_init();
    if (failed_for_good_) return give_up();
    if (init_done) plan_regular();
    if (!alive_) return give_up();
    return std::move(out_);
  }

 private:
  Plan with_new_sandbox(std::uint32_t attempt) {
    out_.stop_pod = needs_stop();
    const bool created = any_regular_created(in_.pod, in_.observed);
    const bool never = spec_.restart_policy == "Never" && attempt != 0 && created;
    const bool done = spec_.restart_policy == "OnFailure" && created && all_regular_succeeded(in_.pod, in_.observed);
    if (never || done || init_failed_for_good()) {
      out_.finished = !out_.stop_pod;
      return std::move(out_);
    }
    out_.create_sandbox = true;
    out_.sandbox_attempt = attempt;
    return std::move(out_);
  }

  // Something runs, or a sandbox still holds its network.
  [[nodiscard]] bool needs_stop() const {
    return in_.observed.any_running() || std::any_of(in_.observed.sandboxes.begin(), in_.observed.sandboxes.end(),
                                                     [](const auto& s) { return !s.released; });
  }

  // A plain init container that failed under restartPolicy Never fails the pod, whatever became of its sandbox.
  [[nodiscard]] bool init_failed_for_good() const {
    return std::any_of(spec_.init_containers.begin(), spec_.init_containers.end(), [&](const auto& c) {
      const auto* seen = in_.observed.find(c.name);
      return seen != nullptr && seen->state == RunState::exited && !succeeded(*seen) &&
             !restarts_after_exit(in_.pod, c, true, *seen);
    });
  }

  // Keeps the newest two instances of each container (state and lastState); older dead ones go.
  void prune() {
    std::map<std::string, int> seen;
    for (const auto& c : in_.observed.containers) {
      const bool dead = c.state == RunState::exited || c.state == RunState::created;
      if (++seen[c.name] > 2 && dead) out_.remove.push_back(c.id);
    }
    for (std::size_t i = 1; i < in_.observed.sandboxes.size(); ++i) {
      const auto& old = in_.observed.sandboxes[i];
      const bool in_use = std::any_of(in_.observed.containers.begin(), in_.observed.containers.end(),
                                      [&](const auto& c) { return c.sandbox_id == old.id; });
      if (!old.ready && !in_use) out_.remove_sandboxes.push_back(old.id);
    }
  }

  // Each once, whatever the others do; one that was made is never made again.
  void start_ephemeral() {
    for (const auto& c : spec_.ephemeral_containers) {
      const auto* seen = in_.observed.find(c.name);
      if (seen == nullptr || seen->state == RunState::created) {
        out_.start.push_back({c.name, false, 0, seen == nullptr ? std::string() : seen->id, {}});
      }
    }
  }

  // Walks the init containers in order; true when regular containers may start.
  bool plan_init() {
    for (const auto& c : spec_.init_containers) {
      const auto* seen = in_.observed.find_current(c.name);
      if (is_sidecar(c)) {
        if (!plan_one(c, true, seen) || !facts_of(in_.probes, c.name).started) return false;
        continue;
      }
      if (seen != nullptr && succeeded(*seen)) continue;
      plan_one(c, true, seen);
      return false;
    }
    return true;
  }

  bool keep_sidecars() {
    for (const auto& c : spec_.init_containers) {
      if (is_sidecar(c)) plan_one(c, true, in_.observed.find_current(c.name));
    }
    return true;
  }

  // Sidecars do not keep a pod alive whose regular containers have all ended.
  void plan_regular() {
    alive_ = false;
    for (const auto& c : spec_.containers) plan_one(c, false, in_.observed.find(c.name));
  }

  // Decides about one container; true when it runs and may go on running.
  bool plan_one(const kube::Container& c, bool init, const ContainerObservation* seen) {
    if (seen == nullptr || seen->state != RunState::exited) alive_ = true;
    if (seen == nullptr) {
      out_.start.push_back({c.name, init, 0, {}, {}});
      return false;
    }
    switch (seen->state) {
      case RunState::running:
        return keep_or_stop(c, init, *seen);
      case RunState::created:
        out_.start.push_back({c.name, init, seen->attempt, seen->id, {}});
        return false;
      case RunState::unknown:
        out_.stop.push_back(
            {seen->id, c.name, "Container " + c.name + " is in unknown state, try killing it before restart", {}});
        return false;
      case RunState::exited:
        restart_or_leave(c, init, *seen);
        return false;
    }
    return false;
  }

  bool keep_or_stop(const kube::Container& c, bool init, const ContainerObservation& seen) {
    const auto facts = facts_of(in_.probes, c.name);
    std::optional<std::string> why;
    std::optional<std::int64_t> grace;
    bool tells_restart = true;
    if (seen.hash && *seen.hash != spec::container_hash(c)) {
      why = "Container " + c.name + " definition changed";
    } else if (facts.liveness_failure) {
      why = "Container " + c.name + " failed liveness probe";
      if (c.liveness_probe) grace = c.liveness_probe->termination_grace_period_seconds;
    } else if (facts.startup_failure) {
      why = "Container " + c.name + " failed startup probe";
      if (c.startup_probe) grace = c.startup_probe->termination_grace_period_seconds;
    }
    if (!why && in_.resize_restarts.count(c.name) > 0) {
      why = "Container " + c.name + " resize requires restart";
      tells_restart = false;
    }
    if (!why) return true;
    ContainerObservation failed = seen;
    failed.exit_code = 1;
    const bool again = tells_restart && restarts_after_exit(in_.pod, c, init, failed);
    out_.stop.push_back({seen.id, c.name, *why + (again ? ", will be restarted" : ""), grace});
    return false;
  }

  void restart_or_leave(const kube::Container& c, bool init, const ContainerObservation& seen) {
    if (!restarts_after_exit(in_.pod, c, init, seen)) {
      if (init && !succeeded(seen)) failed_for_good_ = true;
      return;
    }
    alive_ = true;
    const auto it = in_.backoff.find(c.name);
    const auto state = it == in_.backoff.end() ? std::nullopt : std::optional(it->second);
    const auto until = blocked_until(state, in_.policy, seen.finished_at, in_.now);
    if (!until) {
      out_.start.push_back({c.name, init, seen.attempt + 1, {}, seen.finished_at});
      return;
    }
    out_.waiting[c.name] = {"CrashLoopBackOff", "back-off " + seconds_text(state->delay) +
                                                    " restarting failed container=" + c.name +
                                                    " pod=" + spec::pod_description(in_.pod)};
    if (!out_.wake_at || *until < *out_.wake_at) out_.wake_at = until;
  }

  // Nothing is kept and nothing is to start: what is left of the pod is stopped, then it is finished.
  Plan give_up() {
    Plan end;
    end.stop_pod = needs_stop();
    end.finished = !end.stop_pod;
    return end;
  }

  const PlanInput& in_;
  const kube::PodSpec& spec_;
  Plan out_;
  bool alive_ = false;  // a container of the pod runs, or will
  bool failed_for_good_ = false;
};

}  // namespace

Plan plan(const PlanInput& input) { return Planner(input).run(); }

bool restarts_after_exit(const kube::Pod& pod, const kube::Container& container, bool init,
                         const ContainerObservation& exited) {
  return restarts_after_exit(pod, container, init, exited.exit_code, exited.reason);
}

bool restarts_after_exit(const kube::Pod& pod, const kube::Container& container, bool init, int exit_code,
                         const std::string& reason) {
  const bool success = exit_code == 0 && reason != "OOMKilled";
  if (init && is_sidecar(container)) return true;
  if (init && success) return false;
  if (!success && rule_says_restart(container, exit_code)) return true;
  const auto& policy = container.restart_policy.empty() ? pod.spec.restart_policy : container.restart_policy;
  if (policy == "Never") return false;
  if (policy == "OnFailure" || init) return !success;
  return true;
}

SandboxChange sandbox_change(const kube::Pod& pod, const PodObservation& observed) {
  if (observed.sandboxes.empty()) return {true, 0};
  const auto& newest = observed.sandboxes.front();
  const auto ready =
      std::count_if(observed.sandboxes.begin(), observed.sandboxes.end(), [](const auto& s) { return s.ready; });
  const bool changed = ready > 1 || !newest.ready || newest.host_network != pod.spec.host_network ||
                       (!pod.spec.host_network && newest.ips.empty());
  return {changed, changed ? newest.attempt + 1 : newest.attempt};
}

bool initialized(const kube::Pod& pod, const PodObservation& observed, const ProbeFactsMap& probes) {
  if (any_regular_created(pod, observed)) return true;
  return std::all_of(pod.spec.init_containers.begin(), pod.spec.init_containers.end(), [&](const auto& c) {
    const auto* seen = observed.find_current(c.name);
    if (seen == nullptr) return false;
    return is_sidecar(c) ? seen->state == RunState::running && facts_of(probes, c.name).started : succeeded(*seen);
  });
}

}  // namespace keelson::agent
