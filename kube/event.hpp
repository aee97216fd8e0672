// Event (core/v1), as node agents write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kube/meta.hpp"

namespace keelson::kube {

struct EventSource {
  std::string component;  // "kubelet"
  std::string host;
  bool operator==(const EventSource&) const = default;
};

struct Event {
  static constexpr const char* kApiVersion = "v1";
  static constexpr const char* kKind = "Event";
  ObjectMeta metadata;
  ObjectReference involved_object;
  std::string reason;
  std::string message;
  EventSource source;
  std::optional<Time> first_timestamp;
  std::optional<Time> last_timestamp;
  std::int32_t count = 0;
  std::string type;  // Normal, Warning
  std::string action;
  std::string reporting_component;
  std::string reporting_instance;
  bool operator==(const Event&) const = default;
};

}  // namespace keelson::kube
