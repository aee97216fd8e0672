// Reads from the runtime what it knows of one pod. Statuses that cannot change any more (a running container's start,
// an exited one's exit) are kept from the previous observation, so that looking again is two cheap list calls.
#pragma once

#include "agent/pod/observation.hpp"
#include "base/blocking_pool.hpp"
#include "cri/runtime_service.hpp"

namespace keelson::agent {

// Everything of the pod `uid`, by label. `previous` is the observation before. Errors: what the runtime says.
Awaitable<Result<PodObservation>> observe_pod(cri::RuntimeService& runtime, BlockingPool& pool, std::string uid,
                                              PodObservation previous);

// One sandbox or container, by ID. not_found: the runtime does not have it (any more).
Awaitable<Result<SandboxObservation>> observe_sandbox(cri::RuntimeService& runtime, std::string id);
Awaitable<Result<ContainerObservation>> observe_container(cri::RuntimeService& runtime, BlockingPool& pool,
                                                          std::string id, std::string sandbox_id);

[[nodiscard]] SandboxObservation to_observation(const cri::v1::PodSandboxStatus& status);
[[nodiscard]] ContainerObservation to_observation(const cri::v1::ContainerStatus& status, std::string sandbox_id);
[[nodiscard]] RunState to_run_state(cri::v1::ContainerState state);

// The termination message of an exited container: its file's last 4096 bytes; where policy and exit ask for it, the
// last 80 lines and 2048 bytes of its log. Blocks. (kuberuntime_container.go getTerminationMessage)
[[nodiscard]] std::string read_termination_message(const cri::v1::ContainerStatus& status);

}  // namespace keelson::agent
