#include "proxy/sysctls.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"

namespace keelson::proxy {
namespace {

constexpr const char* kConntrack = "proc/sys/net/netfilter/";

std::optional<long> read_number(const std::filesystem::path& path) {
  const auto text = read_file(path, 4096);
  if (!text) return std::nullopt;
  const std::string_view digits = trim(*text);
  long value = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc{}) return std::nullopt;
  return value;
}

void write_number(const std::filesystem::path& path, long wanted) {
  if (read_number(path) == wanted) return;
  // Not the atomic write of base/files.hpp: such a file is set in place.
  std::ofstream file(path);
  file << wanted;
  file.flush();
  if (file) {
    log_info("kernel setting changed", {{"path", path.string()}, {"value", wanted}});
  } else {
    log_warn("cannot change a kernel setting", {{"path", path.string()}, {"wanted", wanted}});
  }
}

void tune_conntrack(unsigned cpus, const ConntrackLimits& limits, const std::filesystem::path& root) {
  const std::filesystem::path dir = root / kConntrack;
  if (limits.max_per_core > 0) {
    const long max = std::max(limits.max_per_core * static_cast<long>(cpus), limits.min);
    const auto hash_size = root / "sys/module/nf_conntrack/parameters/hashsize";
    if (read_number(hash_size).value_or(max) < max / 4) write_number(hash_size, max / 4);
    write_number(dir / "nf_conntrack_max", max);
  }
  const auto set_timeout = [&dir](const char* name, Seconds value) {
    if (value > Seconds(0)) write_number(dir / name, value.count());
  };
  set_timeout("nf_conntrack_tcp_timeout_established", limits.tcp_established);
  set_timeout("nf_conntrack_tcp_timeout_close_wait", limits.tcp_close_wait);
  set_timeout("nf_conntrack_udp_timeout", limits.udp);
  set_timeout("nf_conntrack_udp_timeout_stream", limits.udp_stream);
  if (limits.tcp_be_liberal) write_number(dir / "nf_conntrack_tcp_be_liberal", 1);
}

}  // namespace

std::optional<ConntrackFill> read_conntrack_fill(const std::filesystem::path& root) {
  const auto count = read_number(root / kConntrack / "nf_conntrack_count");
  const auto max = read_number(root / kConntrack / "nf_conntrack_max");
  if (!count || !max) return std::nullopt;
  return ConntrackFill{*count, *max};
}

SysctlReport read_sysctls(const std::filesystem::path& root) {
  return {read_number(root / kConntrack / "nf_conntrack_tcp_be_liberal").value_or(0) != 0};
}

SysctlReport tune_sysctls(bool localhost_node_ports, unsigned cpus, const ConntrackLimits& limits,
                          const std::filesystem::path& root) {
  const std::filesystem::path net = root / "proc/sys/net";
  if (localhost_node_ports) write_number(net / "ipv4/conf/all/route_localnet", 1);
  tune_conntrack(cpus, limits, root);
  if (read_number(net / "ipv4/ip_forward").value_or(1) == 0) {
    log_warn("net.ipv4.ip_forward is 0: packets from pods and to NodePorts will not be forwarded");
  }
  if (read_number(net / "bridge/bridge-nf-call-iptables").value_or(1) == 0) {
    log_warn("net.bridge.bridge-nf-call-iptables is 0: Services may not work between pods of one bridge");
  }
  return read_sysctls(root);
}

}  // namespace keelson::proxy
