// QoS classes, and the numbers that follow from them: cgroup settings of a pod, weights and the OOM score.
// Follows kubernetes pkg/apis/core/v1/helper/qos, pkg/kubelet/cm/helpers_linux.go and pkg/kubelet/qos/policy.go.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/spec/node_facts.hpp"
#include "kube/pod.hpp"

namespace keelson::spec {

enum class Qos { guaranteed, burstable, best_effort };

// "Guaranteed", "Burstable", "BestEffort".
[[nodiscard]] std::string_view to_string(Qos qos);
[[nodiscard]] Qos qos_class(const kube::Pod& pod);

inline constexpr std::int64_t kMinShares = 2;
inline constexpr std::int64_t kMaxShares = 262144;

// CPU shares of milli-CPUs: 1024 a CPU, within kMinShares and kMaxShares.
[[nodiscard]] std::int64_t cpu_shares(std::int64_t milli_cpu);
// The quota in microseconds of each period: at least 1000, and 0 (none) for 0.
[[nodiscard]] std::int64_t cpu_quota(std::int64_t milli_cpu, std::int64_t period_us);
// cgroup v2's cpu.weight (1-10000) of v1's shares.
[[nodiscard]] std::int64_t cpu_weight(std::int64_t shares);
// Back from what a runtime reports, for status: shares rounded up; 0 where there is no request or limit.
[[nodiscard]] std::int64_t shares_to_milli_cpu(std::int64_t shares);
[[nodiscard]] std::int64_t quota_to_milli_cpu(std::int64_t quota_us, std::int64_t period_us);

// Settings of one cgroup, in v1's terms; what is unset is left as it is.
struct CgroupResources {
  std::optional<std::int64_t> cpu_shares;
  std::optional<std::int64_t> cpu_quota_us;  // -1: no limit; 0: not written
  std::optional<std::int64_t> cpu_period_us;
  std::optional<std::int64_t> memory_bytes;  // 0: not written
  std::optional<std::int64_t> pids;
  std::map<std::string, std::int64_t> hugepage_bytes;  // by size as the cgroup files name it ("2MB")
  bool operator==(const CgroupResources&) const = default;
};

// The pod's own cgroup: shares always, quota and memory only where every container has the limit.
[[nodiscard]] CgroupResources pod_cgroup_resources(const kube::Pod& pod, const NodeFacts& node);

// "2MB" for the resource name "hugepages-2Mi"; empty where it is not a huge page resource.
[[nodiscard]] std::string hugepage_size_label(std::string_view resource_name);

// system-node-critical or Guaranteed -997, BestEffort 1000, Burstable by its share of the node's memory, 3 to 999.
[[nodiscard]] int oom_score_adj(const kube::Pod& pod, const kube::Container& container, const NodeFacts& node);

// A priority from 2000000000 up.
[[nodiscard]] bool has_critical_priority(const kube::Pod& pod);
// That, and static and mirror pods.
[[nodiscard]] bool is_critical_pod(const kube::Pod& pod);

}  // namespace keelson::spec
