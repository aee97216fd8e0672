// What becomes of packets to one service port in one address family, decided once for every backend and for explain:
// which frontends there are, which endpoints serve them, and whether a packet is answered, refused or dropped.
// After syncProxyRules in k8s.io/kubernetes pkg/proxy/iptables/proxier.go. Pure.
#pragma once

#include <string>
#include <vector>

#include "proxy/endpoints.hpp"

namespace keelson::proxy {

struct PortDecision {
  IpAddress cluster_ip;
  std::vector<IpAddress> external_ips, vips;  // of the family, each once
  std::vector<IpPrefix> source_ranges;
  PortPolicy policy;
  EndpointChoice choice;
  bool has_internal = false;   // packets to the ClusterIP find an endpoint
  bool has_external = false;   // packets to the node port, VIPs and external IPs do
  bool uses_firewall = false;  // packets to VIPs are let in by source range
};

// What answers a packet for which no endpoint was found: endpoints that are elsewhere only, under policy Local, mean
// that the sender chose the wrong node, and are not told so.
enum class Missing : std::uint8_t { reject, drop };

[[nodiscard]] PortDecision decide_port(const ServiceEntry& service, const ServicePort& port, const Model& model,
                                       Family family);
[[nodiscard]] inline Missing missing(const PortDecision& d, bool local_policy) {
  return d.choice.has_any && local_policy ? Missing::drop : Missing::reject;
}

// "namespace/name[:port]", upstream's ServicePortName.
[[nodiscard]] std::string service_port_name(const ServiceEntry& service, const ServicePort& port,
                                            const NamePool& names);

// Whether some source range holds the node itself: then it may reach the VIPs from any of its addresses.
[[nodiscard]] bool is_node_allowed(const PortDecision& d, const IpAddress& node_ip);

}  // namespace keelson::proxy
