// Kernel settings that the proxy needs, as kube-proxy sets them (cmd/kube-proxy/app/conntrack.go). All of it fails
// softly: a read-only /proc/sys is a warning in the log.
#pragma once

#include <filesystem>

#include "base/result.hpp"

namespace keelson::proxy {

struct SysctlReport {
  bool tcp_be_liberal = false;  // nf_conntrack_tcp_be_liberal is set: invalid packets must not be dropped
};

// Sets route_localnet (when `localhost_node_ports`) and the conntrack limits and timeouts where they differ from what
// kube-proxy wants, and warns when ip_forward or bridge-nf-call-iptables is off: those are the administrator's and
// CNI's.
SysctlReport tune_sysctls(bool localhost_node_ports, unsigned cpus, const std::filesystem::path& root = "/");

// Only reads; for when tuning is turned off.
SysctlReport read_sysctls(const std::filesystem::path& root = "/");

}  // namespace keelson::proxy
