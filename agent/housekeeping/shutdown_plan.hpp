// In which order, and for how long, pods are ended when the machine shuts down. Pure. After upstream's
// pkg/kubelet/nodeshutdown/nodeshutdown_manager.go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/chrono.hpp"

namespace keelson::agent {

// Pods of at least this priority, and below that of the next group, have `grace` to end.
struct ShutdownStep {
  std::int64_t priority = 0;
  Seconds grace{0};
  bool operator==(const ShutdownStep&) const = default;
};

struct ShutdownPod {
  std::string uid;
  std::int64_t priority = 0;
};

struct ShutdownRound {
  Seconds grace{0};
  std::vector<std::string> uids;
  bool operator==(const ShutdownRound&) const = default;
};

// shutdownGracePeriod and shutdownGracePeriodCriticalPods as groups: ordinary pods first, then critical ones.
[[nodiscard]] std::vector<ShutdownStep> two_steps(Nanoseconds grace, Nanoseconds critical);

// One round after the other, the lowest priorities first; rounds without pods are left out. Pods below every group are
// in the lowest.
[[nodiscard]] std::vector<ShutdownRound> shutdown_rounds(std::vector<ShutdownStep> steps,
                                                         const std::vector<ShutdownPod>& pods);

// How long the machine has to wait for all rounds.
[[nodiscard]] Seconds total_grace(const std::vector<ShutdownStep>& steps);

// What logind is to be configured with so that it waits that long.
[[nodiscard]] std::string logind_drop_in(Seconds delay);

}  // namespace keelson::agent
