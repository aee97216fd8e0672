// The pure compile: one Service (or the node's settings) to iptables rules of one family, in upstream's shapes
// (k8s.io/kubernetes pkg/proxy/iptables/proxier.go). Nothing here remembers or writes anything; rule_sync.hpp compares.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/chain_names.hpp"
#include "proxy/model.hpp"

namespace keelson::proxy {

// How traffic of local pods is told (detectLocalMode).
struct LocalDetector {
  enum class Mode : std::uint8_t { none, cidr, interface } mode = Mode::none;
  std::string value;  // a CIDR for ClusterCIDR and NodeCIDR; for an interface its name, or "PREFIX+"

  [[nodiscard]] bool enabled() const { return mode != Mode::none; }
  [[nodiscard]] std::string match() const;      // "-s 10.0.0.0/8" or "-i cni0"
  [[nodiscard]] std::string not_match() const;  // the same negated
};

// What of the configuration and the node decides the rules of one family.
struct CompileOptions {
  Family family = Family::ipv4;
  LocalDetector local;
  std::uint32_t masquerade_mark = 1u << 14;
  bool masquerade_all = false;
  bool random_fully = true;          // iptables >= 1.6.2 has MASQUERADE --random-fully
  bool drop_invalid = true;          // false when nf_conntrack_tcp_be_liberal is set
  bool localhost_node_ports = true;  // IPv4 only
  bool kubelet_chains = true;        // KUBE-FIREWALL and KUBE-IPTABLES-HINT, which the kubelet makes elsewhere
  bool counters = false;             // nfacct objects of upstream exist: rules count into them
  IpAddress node_ip;                 // for loadBalancerSourceRanges that hold the node itself
  // Addresses that take NodePorts; nothing: every local address.
  std::optional<std::vector<IpAddress>> node_port_ips;
  bool terse = false;  // more than 1000 endpoints: endpoint rules go without comments
};

// Chains that rules of many services share.
enum class SharedChain : std::uint8_t {
  filter_services,
  filter_external_services,
  filter_node_ports,
  filter_proxy_firewall,
  nat_services,
  nat_node_ports,
};
inline constexpr std::size_t kSharedChains = 6;
[[nodiscard]] const char* chain_name(SharedChain chain);
[[nodiscard]] constexpr bool is_nat(SharedChain chain) { return chain >= SharedChain::nat_services; }

struct SharedRule {
  SharedChain chain;
  std::string rule;  // what follows "-A CHAIN "; no newline
  bool operator==(const SharedRule&) const = default;
};

struct ChainRules {
  ChainId id;
  std::string rules;        // "-A CHAIN ...\n" lines
  std::uint32_t count = 0;  // of rules
};

struct ServiceRules {
  std::vector<ChainRules> chains;  // all in nat
  std::vector<SharedRule> shared;  // in the order in which they stand in their chains
};

// Every rule of the Service `key` in the options' family. Nothing when it has no ClusterIP of the family.
[[nodiscard]] ServiceRules compile_service(const ServiceEntry& service, const Model& model,
                                           const CompileOptions& options);

// A chain that does not depend on Services, with its rules ("-A CHAIN ...\n" lines, possibly none).
struct FixedChain {
  const char* table;  // "filter", "nat" or "mangle"
  const char* name;
  std::string rules;
};
[[nodiscard]] std::vector<FixedChain> compile_fixed(const CompileOptions& options);

// The rules that stand last in nat/KUBE-SERVICES and lead to KUBE-NODEPORTS, as for SharedRule::rule.
[[nodiscard]] std::vector<std::string> compile_node_port_jumps(const CompileOptions& options);

// Jumps from built-in chains, in the order in which they are prepended: the last one ends first.
struct Jump {
  const char* table;
  const char* from;
  const char* to;
  std::string rule;  // what follows "-I FROM ", in the spelling that iptables-save prints too
};
[[nodiscard]] std::vector<Jump> compile_jumps(const CompileOptions& options);

}  // namespace keelson::proxy
