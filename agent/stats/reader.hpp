// Reads a whole sample. Blocks on cgroupfs, /proc and, in full detail, on logs' folders: use the BlockingPool. What
// cannot be read (a container that just ended) is left out of the sample.
#pragma once

#include "agent/stats/target.hpp"

namespace keelson::stats {

[[nodiscard]] Sample take_sample(const NodeTarget& node, const std::vector<PodTarget>& pods, Detail detail);

// One cgroup; nothing when it does not exist.
[[nodiscard]] std::optional<CgroupUsage> read_cgroup(const CgroupMount& mount, const std::string& path, Detail detail);

// The cgroup of the container with that ID below `parent`: its name is the ID, or ends in "-ID.scope". Empty: none.
[[nodiscard]] std::string find_container_cgroup(const std::vector<std::string>& children, const std::string& id);

}  // namespace keelson::stats
