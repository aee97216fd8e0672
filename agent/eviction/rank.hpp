// Whom eviction hits, and what it says. Pure. After upstream's pkg/kubelet/eviction/helpers.go; texts as there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/eviction/thresholds.hpp"
#include "agent/eviction/usage.hpp"

namespace keelson::agent {

// Sorts those to be evicted first to the front: who uses more than it requested (not for pids), the lowest priority,
// the most above its request (of pids: the most). `one_disk`: images and writable layers are on the node's own
// filesystem.
void rank_pods(std::vector<PodUsage>& pods, Signal signal, bool one_disk);

// "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. Container a was using ..."
[[nodiscard]] std::string eviction_message(const Threshold& threshold, const Observation& seen, const PodUsage& pod);

// Which of the pod's own limits of local storage it exceeds: a sizeLimit of an emptyDir, the pod's, a container's. The
// message of its eviction, or nothing.
[[nodiscard]] std::optional<std::string> exceeded_limit(const PodUsage& pod);
// Whether the pod has any such limit: only then is its usage to be measured.
[[nodiscard]] bool has_storage_limits(const kube::Pod& pod);
// How near the pod is to the nearest of its limits, 1 being there.
[[nodiscard]] double limit_share(const PodUsage& pod);

// Why a new pod that is not critical is not taken while the node has these conditions; nothing where it is. With
// MemoryPressure alone only BestEffort pods that do not tolerate it are refused. "The node had condition:
// [DiskPressure]. ", reason Evicted.
[[nodiscard]] std::optional<std::string> refused_under_pressure(const kube::Pod& pod,
                                                                const std::vector<std::string>& conditions);

}  // namespace keelson::agent
