// EndpointSlice (discovery.k8s.io/v1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.hpp"

namespace keelson::kube {

struct EndpointConditions {
  std::optional<bool> ready;  // absent means true
  std::optional<bool> serving;
  std::optional<bool> terminating;
  bool operator==(const EndpointConditions&) const = default;
};

struct EndpointHints {
  std::vector<std::string> for_zones;  // names only
  std::vector<std::string> for_nodes;
  bool operator==(const EndpointHints&) const = default;
};

struct Endpoint {
  std::vector<std::string> addresses;
  EndpointConditions conditions;
  std::optional<std::string> hostname;
  std::optional<ObjectReference> target_ref;
  std::optional<std::string> node_name;
  std::optional<std::string> zone;
  std::optional<EndpointHints> hints;
  bool operator==(const Endpoint&) const = default;
};

struct EndpointPort {
  std::optional<std::string> name;
  std::optional<std::string> protocol;  // absent means TCP
  std::optional<std::int32_t> port;     // absent means all ports
  std::optional<std::string> app_protocol;
  bool operator==(const EndpointPort&) const = default;
};

struct EndpointSlice {
  static constexpr const char* kApiVersion = "discovery.k8s.io/v1";
  static constexpr const char* kKind = "EndpointSlice";
  static constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";
  ObjectMeta metadata;
  std::string address_type;  // IPv4, IPv6, FQDN
  std::vector<Endpoint> endpoints;
  std::vector<EndpointPort> ports;
  bool operator==(const EndpointSlice&) const = default;
};

}  // namespace keelson::kube
