// Which pods have to go so that a critical one finds room, as a pure function. After upstream's
// pkg/kubelet/preemption/preemption.go.
#pragma once

#include <vector>

#include "agent/cluster/admission.hpp"

namespace keelson::agent {

// The pods among `input.others` to end so that `input.pod` is admitted: as few and as small ones as will do, BestEffort
// pods rather than Burstable ones rather than Guaranteed ones. Empty where the pod is not critical, where it is refused
// for anything beside resources, or where ending everything that matters less would not be enough.
[[nodiscard]] std::vector<const kube::Pod*> choose_preempted(const AdmissionInput& input);

}  // namespace keelson::agent
