// The proxy's settings; the names are those of KubeProxyConfiguration where it has one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "proxy/compile.hpp"
#include "proxy/sysctls.hpp"

namespace keelson::proxy {

enum class LocalMode : std::uint8_t { cluster_cidr, node_cidr, bridge_interface, interface_name_prefix };

struct ProxyConfig {
  LocalMode detect_local_mode = LocalMode::cluster_cidr;
  std::vector<std::string> cluster_cidrs;  // clusterCIDR split at the comma; the first of a family counts
  std::vector<std::string> node_cidrs;     // Node.spec.podCIDRs
  std::string bridge_interface;            // detectLocal.bridgeInterface
  std::string interface_name_prefix;       // detectLocal.interfaceNamePrefix
  bool masquerade_all = false;
  unsigned masquerade_bit = 14;  // 0 to 31
  bool localhost_node_ports = true;
  std::vector<std::string> node_port_addresses;  // CIDRs, or the one word "primary"; empty: every local address
  bool kubelet_chains = true;                    // also make KUBE-FIREWALL and KUBE-IPTABLES-HINT, as a kubelet would
  bool tune_sysctls = true;
  ConntrackLimits conntrack;
  // Least time between two syncs. kube-proxy's default is 1 s because it rewrites the shared chains each time; our
  // syncs cost what changed, so they come sooner: in a burst after ten times their duration, at upstream's pace at last.
  Milliseconds min_sync_period{100};
  Seconds sync_period{30};  // longest retry delay, and how often the canary chains are looked at
  Seconds full_sync_period{3600};
};

// What node_port_addresses means on this node: the addresses of `interfaces` that take NodePorts, or nothing for all.
// Errors are left out and reported in `problems`.
[[nodiscard]] std::optional<std::vector<IpAddress>> node_port_ips(const ProxyConfig& config, Family family,
                                                                  const std::vector<IpAddress>& node_ips,
                                                                  const std::vector<IpAddress>& interfaces,
                                                                  std::vector<std::string>& problems);

// The compile options of one family. `interfaces` are the node's addresses now. `random_fully` and `drop_invalid` are
// left as they are by default.
[[nodiscard]] CompileOptions compile_options(const ProxyConfig& config, Family family,
                                             const std::vector<IpAddress>& node_ips,
                                             const std::vector<IpAddress>& interfaces,
                                             std::vector<std::string>& problems);

// The addresses of all interfaces of this network namespace.
[[nodiscard]] std::vector<IpAddress> interface_addresses();

}  // namespace keelson::proxy
