// Kernel settings that the proxy needs, as kube-proxy sets them (cmd/kube-proxy/app/conntrack.go). All of it fails
// softly: a read-only /proc/sys is a warning in the log.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/chrono.hpp"
#include "base/result.hpp"

namespace keelson::proxy {

// KubeProxyConfiguration's `conntrack`, with its defaults. A timeout of 0 is left as the system has it.
struct ConntrackLimits {
  std::int64_t max_per_core = 32768;  // 0: nf_conntrack_max is left as it is
  std::int64_t min = 131072;
  Seconds tcp_established{86400}, tcp_close_wait{3600};
  Seconds udp{0}, udp_stream{0};
  bool tcp_be_liberal = false;  // false: left as it is
};

struct SysctlReport {
  bool tcp_be_liberal = false;  // nf_conntrack_tcp_be_liberal is set: invalid packets must not be dropped
};

// Sets route_localnet (when `localhost_node_ports`) and the conntrack `limits` where they differ, and warns when
// ip_forward or bridge-nf-call-iptables is off: those are the administrator's and CNI's.
SysctlReport tune_sysctls(bool localhost_node_ports, unsigned cpus, const ConntrackLimits& limits = {},
                          const std::filesystem::path& root = "/");

// How full the kernel's table of tracked connections is, of the network namespace; nothing: it has none.
struct ConntrackFill {
  std::int64_t count = 0, max = 0;
};
[[nodiscard]] std::optional<ConntrackFill> read_conntrack_fill(const std::filesystem::path& root = "/");

// Only reads; for when tuning is turned off.
SysctlReport read_sysctls(const std::filesystem::path& root = "/");

}  // namespace keelson::proxy
