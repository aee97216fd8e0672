// How a packet to a Service is handled on this node, in facts: each frontend and what happens to its packets, each
// endpoint and why it takes none. From the same decisions as the rules (decision.hpp, endpoints.hpp). Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/compile.hpp"
#include "proxy/endpoints.hpp"

namespace keelson::proxy {

enum class FrontendKind : std::uint8_t { cluster_ip, node_port, external_ip, load_balancer_ip };
enum class Outcome : std::uint8_t { balanced, rejected, dropped };
// Whose packets leave this node with the node's address instead of their sender's.
enum class Masquerade : std::uint8_t {
  never,
  all,
  not_local_pods,  // those from outside of the pods that detectLocalMode tells of
  node_itself,     // those of this node's own processes: externalTrafficPolicy Local
};

struct FrontendFate {
  FrontendKind kind = FrontendKind::cluster_ip;
  std::vector<IpAddress> addresses;  // of a node port: those that take it; none: every address of the node
  std::uint16_t port = 0;
  bool localhost = false;  // a node port: 127.0.0.1 takes it too
  bool local_policy = false;
  Outcome outcome = Outcome::balanced;
  Masquerade masquerade = Masquerade::never;
  std::vector<IpPrefix> source_ranges;  // not empty: packets from elsewhere are dropped
};

struct EndpointFate {
  Endpoint endpoint;
  LeftOut cluster = LeftOut::no;  // for packets under policy Cluster
  LeftOut local = LeftOut::no;    // and under policy Local
};

// One port in one address family.
struct PortFate {
  Family family = Family::ipv4;
  ServicePort port;
  std::vector<FrontendFate> frontends;
  std::vector<EndpointFate> endpoints;
  bool uses_cluster = false, uses_local = false;  // which of the two policies some frontend has
  // Endpoints exist, but no slice has a port of this name and protocol: what the slices have instead.
  std::vector<SlicePort> other_ports;
};

struct ServiceFate {
  std::string key;
  bool has_rules = false;  // false: headless, ExternalName, left to another proxy, unknown, or unusable
  std::size_t slices = 0;
  std::uint32_t affinity_seconds = 0;
  std::uint16_t health_check_node_port = 0;
  std::vector<PortFate> ports;
};

// Of the Service "namespace/name" in the families of `options`, whose entries are those of the rules now.
[[nodiscard]] ServiceFate explain_service(const Model& model, const std::string& key,
                                          const std::vector<CompileOptions>& options);

// The keys of the Services of that name; `ns` empty: of every namespace. Sorted.
[[nodiscard]] std::vector<std::string> services_named(const Model& model, const std::string& ns,
                                                      const std::string& name);

}  // namespace keelson::proxy
