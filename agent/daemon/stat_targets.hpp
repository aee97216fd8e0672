// What a sample of this node has to look at: its pods' cgroups and containers, as the pod workers know them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/daemon/daemon.hpp"
#include "agent/stats/target.hpp"
#include "cri/client.hpp"

namespace keelson::agent {

[[nodiscard]] stats::NodeTarget node_stat_target(const Daemon::Parts& parts);
[[nodiscard]] std::vector<stats::PodTarget> pod_stat_targets(const Daemon::Parts& parts);

// The cgroups of this process and of the runtime: of whoever serves the socket `endpoint`. Blocks.
[[nodiscard]] std::map<std::string, std::string> system_cgroups(const std::string& endpoint);

// Adds what only the runtime can tell: where images lie, and what they and writable layers take. What it does not
// answer is left out.
Awaitable<void> ask_runtime(cri::Client& client, stats::NodeTarget& node, std::vector<stats::PodTarget>& pods);

}  // namespace keelson::agent
