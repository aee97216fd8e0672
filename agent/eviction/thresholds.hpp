// Eviction thresholds: which signal, how much must be left, and since when. Pure. After upstream's
// pkg/kubelet/eviction/helpers.go and api/types.go.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/node/node_resources.hpp"
#include "base/chrono.hpp"
#include "kube/meta.hpp"

namespace keelson::agent {

enum class Signal {
  memory_available,
  allocatable_memory_available,  // what the pods' cgroup may still use: follows evictionHard's memory.available
  nodefs_available,
  nodefs_inodes_free,
  imagefs_available,
  imagefs_inodes_free,
  pid_available,
};
[[nodiscard]] std::string_view to_string(Signal signal);  // "memory.available"

// What a signal is about, as messages and events name it: memory, ephemeral-storage, inodes, pids.
[[nodiscard]] std::string_view resource_of(Signal signal);
// The node condition that the signal gives: MemoryPressure, DiskPressure, PIDPressure.
[[nodiscard]] std::string_view condition_of(Signal signal);
[[nodiscard]] bool is_memory(Signal signal);
[[nodiscard]] bool is_disk(Signal signal);

struct Threshold {
  Signal signal{};
  EvictionThreshold value;
  std::optional<EvictionThreshold> minimum_reclaim;
  Nanoseconds grace{0};  // 0: a hard threshold
  bool operator==(const Threshold&) const = default;
};

struct ThresholdConfig {
  kube::StringMap hard, soft, soft_grace_period, minimum_reclaim;  // by signal
  bool enforce_allocatable = true;                                 // enforceNodeAllocatable has "pods"
};

// Values of 0% and 100% switch a signal off. containerfs.* are taken and do nothing, for they follow from the other
// two. Errors name the field and the signal: an unknown signal, a value of zero or below, a soft threshold without a
// grace period.
Result<std::vector<Threshold>> parse_thresholds(const ThresholdConfig& config);

// What there is of a signal now.
struct Observation {
  kube::Quantity available, capacity;
};
using Observations = std::map<Signal, Observation>;

// Those of which less is left than they ask for; with `reclaiming`, less than that and the minimum reclaim.
[[nodiscard]] std::vector<Threshold> thresholds_met(const std::vector<Threshold>& thresholds,
                                                    const Observations& observations, bool reclaiming);

// When to look again: soon where little is left above some threshold, a minute where all is well. What comes
// faster than that is told by the kernel (pressure_watch.hpp).
[[nodiscard]] Nanoseconds next_observation(const std::vector<Threshold>& thresholds, const Observations& observations);

}  // namespace keelson::agent
