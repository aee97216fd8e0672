#include "proxy/config.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>

namespace keelson::proxy {
namespace {

std::optional<std::string> first_cidr(const std::vector<std::string>& cidrs, Family family, const char* field,
                                      std::vector<std::string>& problems) {
  for (const std::string& text : cidrs) {
    const auto prefix = IpPrefix::parse(text);
    if (!prefix) {
      problems.push_back(std::string(field) + ": \"" + text + "\" is not a CIDR");
    } else if (prefix->family() == family) {
      return prefix->to_string();
    }
  }
  return std::nullopt;
}

LocalDetector local_detector(const ProxyConfig& config, Family family, std::vector<std::string>& problems) {
  using Mode = LocalDetector::Mode;
  switch (config.detect_local_mode) {
    case LocalMode::cluster_cidr:
    case LocalMode::node_cidr: {
      const bool cluster = config.detect_local_mode == LocalMode::cluster_cidr;
      const auto cidr = first_cidr(cluster ? config.cluster_cidrs : config.node_cidrs, family,
                                   cluster ? "clusterCIDR" : "podCIDRs", problems);
      return cidr ? LocalDetector{Mode::cidr, *cidr} : LocalDetector{};
    }
    case LocalMode::bridge_interface:
      if (!config.bridge_interface.empty()) return {Mode::interface, config.bridge_interface};
      problems.emplace_back("detectLocal.bridgeInterface: required in mode BridgeInterface");
      return {};
    case LocalMode::interface_name_prefix:
      if (!config.interface_name_prefix.empty()) return {Mode::interface, config.interface_name_prefix + '+'};
      problems.emplace_back("detectLocal.interfaceNamePrefix: required in mode InterfaceNamePrefix");
      return {};
  }
  return {};
}

}  // namespace

Result<ProxyMode> parse_proxy_mode(std::string_view name) {
  if (name.empty() || name == "iptables") return ProxyMode::iptables;
  if (name == "nftables") return ProxyMode::nftables;
  return make_error(Errc::invalid_argument, "mode \"" + std::string(name) + "\" is not served: iptables, nftables");
}

ProxyConfig of_mode(ProxyConfig config) {
  if (config.mode == ProxyMode::nftables) static_cast<ModeSettings&>(config) = config.nftables;
  return config;
}

std::optional<std::vector<IpAddress>> node_port_ips(const ProxyConfig& config, Family family,
                                                    const std::vector<IpAddress>& node_ips,
                                                    const std::vector<IpAddress>& interfaces,
                                                    std::vector<std::string>& problems) {
  const auto& wanted = config.node_port_addresses;
  const bool primary_by_default = wanted.empty() && config.mode == ProxyMode::nftables;
  if (primary_by_default || (wanted.size() == 1 && wanted.front() == "primary")) {
    std::vector<IpAddress> primary;
    const auto ip =
        std::find_if(node_ips.begin(), node_ips.end(), [family](const IpAddress& i) { return i.family() == family; });
    if (ip != node_ips.end()) primary.push_back(*ip);
    return primary;
  }
  std::vector<IpPrefix> prefixes;
  for (const std::string& text : wanted) {
    const auto prefix = IpPrefix::parse(text);
    if (!prefix) problems.push_back("nodePortAddresses: \"" + text + "\" is not a CIDR");
    if (prefix && prefix->family() == family) prefixes.push_back(*prefix);
  }
  const bool any = std::any_of(prefixes.begin(), prefixes.end(), [](const IpPrefix& p) { return p.bits == 0; });
  if (prefixes.empty() || any) return std::nullopt;
  std::vector<IpAddress> picked;
  for (const IpAddress& ip : interfaces) {
    const bool in = std::any_of(prefixes.begin(), prefixes.end(), [&ip](const IpPrefix& p) { return p.contains(ip); });
    if (in) picked.push_back(ip);
  }
  std::sort(picked.begin(), picked.end());
  picked.erase(std::unique(picked.begin(), picked.end()), picked.end());
  return picked;
}

CompileOptions compile_options(const ProxyConfig& config, Family family, const std::vector<IpAddress>& node_ips,
                               const std::vector<IpAddress>& interfaces, std::vector<std::string>& problems) {
  CompileOptions options;
  options.family = family;
  options.local = local_detector(config, family, problems);
  options.masquerade_mark = 1u << (config.masquerade_bit & 31u);
  options.masquerade_all = config.masquerade_all;
  options.kubelet_chains = config.kubelet_chains;
  options.node_port_ips = node_port_ips(config, family, node_ips, interfaces, problems);
  const auto& ips = options.node_port_ips;
  const bool loopback_taken =
      !ips || std::any_of(ips->begin(), ips->end(), [](const IpAddress& ip) { return ip.is_loopback(); });
  options.localhost_node_ports =
      config.mode == ProxyMode::iptables && config.localhost_node_ports && family == Family::ipv4 && loopback_taken;
  const auto ip =
      std::find_if(node_ips.begin(), node_ips.end(), [family](const IpAddress& i) { return i.family() == family; });
  if (ip != node_ips.end()) options.node_ip = *ip;
  return options;
}

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    if (at->ifa_addr->sa_family == AF_INET) {
      found.push_back(IpAddress::from_bytes(&reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr, 4));
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      found.push_back(IpAddress::from_bytes(&reinterpret_cast<const sockaddr_in6*>(at->ifa_addr)->sin6_addr, 16));
    }
  }
  return found;
}

}  // namespace keelson::proxy
