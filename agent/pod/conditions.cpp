#include "agent/pod/conditions.hpp"

#include <algorithm>

#include "agent/spec/resources.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using spec::is_sidecar;

constexpr const char* kDisruption = "DisruptionTarget";

struct Verdict {
  bool ok = false;
  std::string reason;
  std::string message;
};

Verdict initialized_verdict(const StatusInput& in, const kube::PodStatus& status) {
  if (status.phase == "Succeeded") return {true, "PodCompleted", ""};
  if (initialized(in.pod, in.observed, in.probes)) return {true, "", ""};
  std::vector<std::string> incomplete;
  for (const auto& s : status.init_container_statuses) {
    if (!s.ready) incomplete.push_back(s.name);
  }
  if (incomplete.empty()) return {true, "", ""};
  return {false, "ContainersNotInitialized", "containers with incomplete status: [" + join(incomplete, " ") + "]"};
}

Verdict containers_ready_verdict(const StatusInput& in, const kube::PodStatus& status) {
  if (status.phase == "Succeeded") return {false, "PodCompleted", ""};
  if (status.phase == "Failed") return {false, "PodFailed", ""};
  std::vector<std::string> unready;
  for (std::size_t i = 0; i < status.init_container_statuses.size(); ++i) {
    const auto& s = status.init_container_statuses[i];
    if (is_sidecar(in.pod.spec.init_containers[i]) && !s.ready) unready.push_back(s.name);
  }
  for (const auto& s : status.container_statuses) {
    if (!s.ready) unready.push_back(s.name);
  }
  if (unready.empty()) return {true, "", ""};
  return {false, "ContainersNotReady", "containers with unready status: [" + join(unready, " ") + "]"};
}

const kube::PodCondition* find_condition(const std::vector<kube::PodCondition>& list, const std::string& type) {
  const auto it = std::find_if(list.begin(), list.end(), [&](const auto& c) { return c.type == type; });
  return it == list.end() ? nullptr : &*it;
}

Verdict ready_verdict(const StatusInput& in, const Verdict& containers) {
  if (!containers.ok) return containers;
  for (const auto& gate : in.pod.spec.readiness_gates) {
    const auto* condition = find_condition(in.pod.status.conditions, gate.condition_type);
    if (condition == nullptr) {
      return {false, "ReadinessGatesNotReady",
              "corresponding condition of pod readiness gate \"" + gate.condition_type + "\" does not exist."};
    }
    if (condition->status != "True") {
      return {
          false, "ReadinessGatesNotReady",
          "the status of pod readiness gate \"" + gate.condition_type + "\" is not \"True\", but " + condition->status};
    }
  }
  return {true, "", ""};
}

// The node itself ended the pod (k8s.io/api core/v1, DisruptionTarget).
bool is_disruption(const Waiting& failure) {
  return failure.reason == "Evicted" || failure.reason == "Terminated" || failure.reason == "Preempting";
}

std::string disruption_message(const Waiting& failure) {
  return failure.reason == "Preempting" ? "Pod was preempted by Kubelet to accommodate a critical pod."
                                        : failure.message;
}

}  // namespace

std::vector<kube::PodCondition> make_conditions(const StatusInput& in, const kube::PodStatus& status) {
  std::vector<kube::PodCondition> out;
  const auto add = [&](const char* type, const Verdict& verdict) {
    kube::PodCondition c;
    c.type = type;
    c.status = verdict.ok ? "True" : "False";
    c.reason = verdict.reason;
    c.message = verdict.message;
    c.observed_generation = status.observed_generation;
    const auto* before = find_condition(in.previous.conditions, type);
    const bool same = before != nullptr && before->status == c.status && before->last_transition_time;
    c.last_transition_time = same ? before->last_transition_time : std::optional(std::chrono::floor<Seconds>(in.now));
    out.push_back(std::move(c));
  };
  if (const auto* pending = find_condition(in.pod.status.conditions, "PodResizePending")) out.push_back(*pending);
  if (in.resizing != nullptr) add("PodResizeInProgress", {true, in.resizing->reason, in.resizing->message});
  const auto containers = containers_ready_verdict(in, status);
  const bool has_sandbox = !in.observed.sandboxes.empty() && !sandbox_change(in.pod, in.observed).needed;
  add("PodReadyToStartContainers", {has_sandbox, "", ""});
  add("Initialized", initialized_verdict(in, status));
  add("Ready", ready_verdict(in, containers));
  add("ContainersReady", containers);
  add("PodScheduled", {true, "", ""});
  if (in.failure != nullptr && is_disruption(*in.failure)) {
    add(kDisruption, {true, "TerminationByKubelet", disruption_message(*in.failure)});
  } else if (const auto* told = find_condition(in.previous.conditions, kDisruption)) {
    out.push_back(*told);
  }
  return out;
}

}  // namespace keelson::agent
