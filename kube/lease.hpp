// Lease (coordination.k8s.io/v1): the heartbeat of a node.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kube/meta.hpp"

namespace keelson::kube {

struct LeaseSpec {
  std::optional<std::string> holder_identity;
  std::optional<std::int32_t> lease_duration_seconds;
  std::optional<Time> acquire_time;  // both times to the microsecond
  std::optional<Time> renew_time;
  std::optional<std::int32_t> lease_transitions;
  bool operator==(const LeaseSpec&) const = default;
};

struct Lease {
  static constexpr const char* kApiVersion = "coordination.k8s.io/v1";
  static constexpr const char* kKind = "Lease";
  ObjectMeta metadata;
  LeaseSpec spec;
  bool operator==(const Lease&) const = default;
};

}  // namespace keelson::kube
