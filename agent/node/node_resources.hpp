// What the node has and what of it pods may use: Node.status.capacity and allocatable. Pure; after upstream's
// pkg/kubelet/cm/node_container_manager_linux.go and cm/helpers.go.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.hpp"
#include "kube/quantity.hpp"

namespace keelson::agent {

// An amount, or a share of the capacity: "100Mi", "10%".
struct EvictionThreshold {
  kube::Quantity amount;
  std::optional<double> share;  // 0..1; `amount` does not count then

  [[nodiscard]] kube::Quantity of(const kube::Quantity& capacity) const;
  bool operator==(const EvictionThreshold&) const = default;
};

// Errors: neither a quantity nor a percentage of 0 to 100.
Result<EvictionThreshold> parse_eviction_threshold(std::string_view text);

struct ResourceConfig {
  std::int64_t max_pods = 110;
  std::int64_t pods_per_core = 0;      // 0: no such bound
  kube::ResourceList system_reserved;  // cpu, memory, ephemeral-storage, pid
  kube::ResourceList kube_reserved;
  std::optional<EvictionThreshold> memory_available;  // evictionHard
  std::optional<EvictionThreshold> nodefs_available;
};

// What the machine has.
struct MachineSize {
  std::int64_t cpu_millis = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t swap_bytes = 0;
  std::int64_t ephemeral_storage_bytes = 0;  // 0: not known yet
  kube::ResourceList huge_pages;             // "hugepages-2Mi" -> bytes
  bool operator==(const MachineSize&) const = default;
};

// cpu, memory, ephemeral-storage, pods, hugepages-*.
[[nodiscard]] kube::ResourceList node_capacity(const ResourceConfig& config, const MachineSize& size);

// Capacity less what is reserved and less the hard eviction thresholds, never below zero; memory also less all huge
// pages. Names that `capacity` has and nothing here knows (extended resources) are whole.
[[nodiscard]] kube::ResourceList node_allocatable(const ResourceConfig& config, const kube::ResourceList& capacity);

// Errors: a reservation larger than what there is, with upstream's text.
Result<void> check_reservations(const ResourceConfig& config, const kube::ResourceList& capacity);

}  // namespace keelson::agent
