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

enum class ProxyMode : std::uint8_t { iptables, nftables };
// "iptables", "nftables", or "" for the default, which is iptables.
[[nodiscard]] Result<ProxyMode> parse_proxy_mode(std::string_view name);

// KubeProxyConfiguration has these under `iptables` and under `nftables`; those of the mode count.
struct ModeSettings {
  bool masquerade_all = false;
  unsigned masquerade_bit = 14;  // 0 to 31
  // Least time between two syncs. kube-proxy's default is 1 s because it rewrites the shared chains each time; our
  // syncs cost what changed, so they come sooner: in a burst after ten times their duration, at upstream's pace at last
  // (sync_pace.hpp).
  Milliseconds min_sync_period{100};
  Seconds sync_period{30};  // longest retry delay, and how often we look whether the rules are still there
};

struct ProxyConfig : ModeSettings {
  ProxyMode mode = ProxyMode::iptables;
  ModeSettings nftables;  // in mode nftables in place of the inherited ones
  LocalMode detect_local_mode = LocalMode::cluster_cidr;
  std::vector<std::string> cluster_cidrs;  // clusterCIDR split at the comma; the first of a family counts
  std::vector<std::string> node_cidrs;     // Node.spec.podCIDRs
  std::string bridge_interface;            // detectLocal.bridgeInterface
  std::string interface_name_prefix;       // detectLocal.interfaceNamePrefix
  bool localhost_node_ports = true;        // mode iptables only
  // CIDRs, or the one word "primary". Empty: every local address, in mode nftables "primary".
  std::vector<std::string> node_port_addresses;
  bool kubelet_chains = true;  // also make KUBE-FIREWALL and KUBE-IPTABLES-HINT, as a kubelet would
  bool tune_sysctls = true;
  ConntrackLimits conntrack;
  Seconds full_sync_period{3600};
};

// The configuration with the settings of its mode as the inherited ones.
[[nodiscard]] ProxyConfig of_mode(ProxyConfig config);

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
