// What keeps the node usable whatever its pods do: eviction, garbage collection, log rotation, shutdown. Names and
// defaults after upstream's KubeletConfiguration.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/housekeeping/log_plan.hpp"
#include "base/chrono.hpp"
#include "kube/meta.hpp"

namespace keelson::agent {

struct EvictionOptions {
  // Hard thresholds are ClusterOptions::eviction_hard: they count for the node's allocatable, too.
  kube::StringMap soft;               // signal -> quantity or percentage
  kube::StringMap soft_grace_period;  // signal -> duration
  kube::StringMap minimum_reclaim;    // signal -> quantity or percentage
  Nanoseconds pressure_transition_period = std::chrono::minutes(5);
  std::int64_t max_pod_grace_period = 0;  // seconds; of soft evictions
};

struct ImageGcOptions {
  std::int64_t high_percent = 85;
  std::int64_t low_percent = 80;
  Nanoseconds minimum_age = std::chrono::minutes(2);
  Nanoseconds maximum_age{0};  // 0: age alone removes nothing
};

struct ShutdownGroup {
  std::int64_t priority = 0;
  std::int64_t seconds = 0;
  bool operator==(const ShutdownGroup&) const = default;
};

struct ShutdownOptions {
  Nanoseconds grace_period{0};           // of all pods; 0: shutdown is not waited for
  Nanoseconds critical_grace_period{0};  // the part of it that is kept for critical pods
  std::vector<ShutdownGroup> by_priority;
};

struct ProtectionOptions {
  LogPolicy logs;
  EvictionOptions eviction;
  ImageGcOptions image_gc;
  ShutdownOptions shutdown;
  std::vector<std::string> enforce_allocatable = {"pods"};  // enforceNodeAllocatable
};

}  // namespace keelson::agent
