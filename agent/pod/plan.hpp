// The heart of the agent, as a pure function: what a pod should be, what the runtime says it is, and the time, to what
// is to be done next. After upstream's computePodActions (pkg/kubelet/kuberuntime/kuberuntime_manager.go); the worker
// performs the plan, observes again and asks again, so a plan never has to look further than one step.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/pod/observation.hpp"
#include "base/backoff.hpp"
#include "kube/pod.hpp"

namespace keelson::agent {

// What the probes say of the current instance of a container.
struct ProbeFacts {
  bool started = true;  // the startup probe passed, or there is none
  bool ready = true;    // the readiness probe passes, or there is none
  std::optional<std::string> liveness_failure;
  std::optional<std::string> startup_failure;
};

using ProbeFactsMap = std::map<std::string, ProbeFacts>;  // by container name; absent: no probes, started and ready

struct PlanInput {
  const kube::Pod& pod;
  const PodObservation& observed;
  const ProbeFactsMap& probes;
  const std::map<std::string, BackoffState>& backoff;  // by container name
  const BackoffPolicy& policy;
  SystemTime now;
  bool ended = false;                       // the pod has Succeeded or Failed: whatever its spec says, it never runs again
  std::set<std::string> resize_restarts{};  // containers that must restart to take their new resources
};

struct StartContainer {
  std::string name;
  bool init = false;
  std::uint32_t restart_count = 0;
  std::string existing_id;                        // a container created and never started: only start it
  std::optional<SystemTime> previous_finished{};  // of the instance it follows: what its backoff counts from
};

struct StopContainer {
  std::string id;
  std::string name;
  std::string message;                        // as the Killing event says it
  std::optional<std::int64_t> grace_seconds;  // a failed probe's own; none: the pod's
};

struct Waiting {
  std::string reason;
  std::string message;
};

struct Plan {
  bool stop_pod = false;        // stop every container and every sandbox
  bool create_sandbox = false;  // after that
  std::uint32_t sandbox_attempt = 0;
  std::vector<StopContainer> stop;
  std::vector<std::string> remove;            // IDs of dead instances that nothing refers to any more
  std::vector<std::string> remove_sandboxes;  // IDs of replaced sandboxes that hold nothing any more
  std::vector<StartContainer> start;          // in this order; an init container that fails ends the round
  std::map<std::string, Waiting> waiting;     // containers that have to wait for their backoff
  std::optional<SystemTime> wake_at;          // when time alone changes the plan
  bool finished = false;                      // nothing runs, nothing will run again: the pod Succeeded or Failed
};

[[nodiscard]] Plan plan(const PlanInput& input);

// Whether an exited container runs again: a sidecar always does; else its restartPolicyRules, its own restartPolicy and
// the pod's are asked in this order (pkg/api/v1/pod/util.go ContainerShouldRestart). `reason` is the exit's, e.g. OOMKilled.
[[nodiscard]] bool restarts_after_exit(const kube::Pod& pod, const kube::Container& container, bool init,
                                       const ContainerObservation& exited);
[[nodiscard]] bool restarts_after_exit(const kube::Pod& pod, const kube::Container& container, bool init, int exit_code,
                                       const std::string& reason);
// Whether the pod needs a new sandbox, and the attempt it would have (kuberuntime/util PodSandboxChanged).
struct SandboxChange {
  bool needed = false;
  std::uint32_t attempt = 0;
};
[[nodiscard]] SandboxChange sandbox_change(const kube::Pod& pod, const PodObservation& observed);

// Whether every init container is done (plain ones exited 0, sidecars started), or a regular container was created.
[[nodiscard]] bool initialized(const kube::Pod& pod, const PodObservation& observed, const ProbeFactsMap& probes);

}  // namespace keelson::agent
