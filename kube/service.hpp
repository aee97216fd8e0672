// Service (core/v1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/int_or_string.hpp"
#include "kube/meta.hpp"

namespace keelson::kube {

struct ServicePort {
  std::string name;
  std::string protocol;  // TCP, UDP, SCTP
  std::optional<std::string> app_protocol;
  std::int32_t port = 0;
  IntOrString target_port;
  std::int32_t node_port = 0;
  bool operator==(const ServicePort&) const = default;
};

struct ClientIpConfig {
  std::optional<std::int32_t> timeout_seconds;
  bool operator==(const ClientIpConfig&) const = default;
};

struct SessionAffinityConfig {
  std::optional<ClientIpConfig> client_ip;  // clientIP
  bool operator==(const SessionAffinityConfig&) const = default;
};

struct ServiceSpec {
  std::vector<ServicePort> ports;
  StringMap selector;
  std::string cluster_ip;  // "", "None" or an address
  std::vector<std::string> cluster_ips;
  std::string type;  // ClusterIP, NodePort, LoadBalancer, ExternalName
  std::vector<std::string> external_ips;
  std::string session_affinity;  // None, ClientIP
  std::string load_balancer_ip;
  std::vector<std::string> load_balancer_source_ranges;
  std::string external_name;
  std::string external_traffic_policy;  // Cluster, Local
  std::int32_t health_check_node_port = 0;
  bool publish_not_ready_addresses = false;
  std::optional<SessionAffinityConfig> session_affinity_config;
  std::vector<std::string> ip_families;
  std::optional<std::string> ip_family_policy;
  std::optional<bool> allocate_load_balancer_node_ports;
  std::optional<std::string> load_balancer_class;
  std::optional<std::string> internal_traffic_policy;  // Cluster, Local
  std::optional<std::string> traffic_distribution;     // PreferSameZone, PreferSameNode, PreferClose
  bool operator==(const ServiceSpec&) const = default;
};

struct LoadBalancerIngress {
  std::string ip;
  std::string hostname;
  std::optional<std::string> ip_mode;  // VIP, Proxy
  bool operator==(const LoadBalancerIngress&) const = default;
};

struct LoadBalancerStatus {
  std::vector<LoadBalancerIngress> ingress;
  bool operator==(const LoadBalancerStatus&) const = default;
};

struct ServiceStatus {
  LoadBalancerStatus load_balancer;
  bool operator==(const ServiceStatus&) const = default;
};

struct Service {
  static constexpr const char* kApiVersion = "v1";
  static constexpr const char* kKind = "Service";
  ObjectMeta metadata;
  ServiceSpec spec;
  ServiceStatus status;
  bool operator==(const Service&) const = default;
};

}  // namespace keelson::kube
