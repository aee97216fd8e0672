// Reads what is left of the node's memory, disks and process IDs. Blocks briefly: use the pool. After upstream's
// pkg/kubelet/eviction/helpers.go (makeSignalObservations).
#pragma once

#include <filesystem>

#include "agent/eviction/thresholds.hpp"
#include "agent/stats/target.hpp"

namespace keelson::agent {

struct SignalPaths {
  stats::CgroupMount mount;
  std::filesystem::path proc = "/proc";
  std::string pods_cgroup = "/kubepods";
  std::filesystem::path nodefs;   // a folder on the node's main filesystem
  std::filesystem::path imagefs;  // one on that of the images; empty: not known
};

struct NodeSignals {
  Observations observations;        // what cannot be read is left out
  bool one_disk = true;             // images are on the node's main filesystem
  std::uint64_t inactive_file = 0;  // bytes of the root cgroup that count as available
  std::uint64_t pods_inactive = 0;  // of the pods' cgroup
};

[[nodiscard]] NodeSignals read_signals(const SignalPaths& paths);

// "0.10 0.20 0.30 2/345 6789" -> 345: how many tasks there are.
[[nodiscard]] std::optional<std::int64_t> tasks_of_loadavg(std::string_view text);

}  // namespace keelson::agent
