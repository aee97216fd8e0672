// Which endpoints a Service port uses, after k8s.io/kubernetes pkg/proxy/topology.go. Pure.
#pragma once

#include <vector>

#include "proxy/model.hpp"

namespace keelson::proxy {

struct Endpoint {
  IpAddress ip;
  std::uint16_t port = 0;
  std::uint8_t flags = 0;
  NameId zone_hints = 0;
  NameId node = 0, zone = 0;  // where it is, for explain
};

// What of the Service decides which lists are needed.
struct PortPolicy {
  bool internal_local = false;
  bool external_local = false;
  bool externally_accessible = false;  // the port has a node port, a VIP or an external IP

  [[nodiscard]] bool uses_cluster() const { return !internal_local || externally_accessible; }
  [[nodiscard]] bool uses_local() const { return internal_local || (external_local && externally_accessible); }
};

// Why an endpoint takes no packets under a policy.
enum class LeftOut : std::uint8_t {
  no,           // it takes them
  not_ready,    // and is not terminating
  draining,     // terminating; it would serve if no endpoint were ready
  terminating,  // and serves no more
  other_node,   // policy Local, or hints that prefer this node
  other_zone,   // hints that prefer this zone
};

// The lists are sorted by "IP:port" text, as upstream's, and hold each "IP:port" once.
struct EndpointChoice {
  std::vector<Endpoint> cluster;    // for the Cluster policy, or empty when it is not used
  std::vector<Endpoint> local;      // for the Local policy, or empty when it is not used
  std::vector<Endpoint> reachable;  // both together: each has a chain
  bool has_any = false;             // some endpoint could serve, here or elsewhere
};

// Every endpoint of one family behind the service port named `name`, from all slices: sorted, and where an "IP:port"
// occurs twice, the local one stays.
[[nodiscard]] std::vector<Endpoint> gather_endpoints(const ServiceEntry& service, NameId name, Protocol protocol,
                                                     Family family);

// For each endpoint of `all`, whether packets under policy Cluster, or Local, go to it.
[[nodiscard]] std::vector<LeftOut> judge_for_cluster(const std::vector<Endpoint>& all, const NamePool& names,
                                                     std::string_view zone);
[[nodiscard]] std::vector<LeftOut> judge_for_local(const std::vector<Endpoint>& all);

// The choice by policy: ready endpoints, narrowed by topology hints for the Cluster policy; serving terminating ones
// where no ready one is left. `names` and `zone` resolve zone hints.
[[nodiscard]] EndpointChoice choose_endpoints(const std::vector<Endpoint>& all, const PortPolicy& policy,
                                              const NamePool& names, std::string_view zone);

}  // namespace keelson::proxy
