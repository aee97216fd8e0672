// What is to happen to the packets of one service port in one family, before it becomes rules of any kind: both
// backends compile from this. Follows the decisions of k8s.io/kubernetes pkg/proxy/iptables/proxier.go syncProxyRules,
// which its nftables proxier repeats. Pure.
#pragma once

#include <string>
#include <vector>

#include "proxy/compile.hpp"
#include "proxy/endpoints.hpp"

namespace keelson::proxy {

struct PortPlan {
  std::string name;  // "namespace/name[:port]"
  IpAddress cluster_ip;
  std::vector<IpAddress> external_ips, vips;  // of the family, each once
  std::vector<IpPrefix> ranges;               // who may reach the VIPs; empty: everybody
  EndpointChoice choice;
  bool accessible = false;    // from outside: the port has a node port, a VIP or an external IP
  bool has_internal = false;  // somebody answers at the ClusterIP
  bool has_external = false;  // and at the other addresses
  bool node_allowed = false;  // some range holds the node's own address

  // Why nobody answers: endpoints exist, but none here, where the policy is Local. Such packets are dropped; where
  // there is none at all they are rejected.
  [[nodiscard]] bool only_elsewhere(bool local_policy) const { return choice.has_any && local_policy; }
};

// `service` has a spec with a ClusterIP of the options' family, and `port` is one of its ports.
[[nodiscard]] PortPlan plan_port(const ServiceEntry& service, const ServicePort& port, const Model& model,
                                 const CompileOptions& options);

}  // namespace keelson::proxy
