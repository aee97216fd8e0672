#include <fmt/format.h>

#include "proxy/compile.hpp"

namespace keelson::proxy {
namespace {

std::string forward_rules(const CompileOptions& options, const std::string& mark) {
  std::string rules;
  if (options.drop_invalid) {
    rules += fmt::format("-A {} -m conntrack --ctstate INVALID {}-j DROP\n", kForward,
                         options.counters ? "-m nfacct --nfacct-name ct_state_invalid_dropped_pkts " : "");
  }
  rules += fmt::format("-A {0} -m comment --comment \"kubernetes forwarding rules\" -m mark --mark {1}/{1} -j ACCEPT\n",
                       kForward, mark);
  rules += fmt::format(
      "-A {} -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED "
      "-j ACCEPT\n",
      kForward);
  return rules;
}

std::string postrouting_rules(const CompileOptions& options, const std::string& mark) {
  return fmt::format(
      "-A {0} -m mark ! --mark {1}/{1} -j RETURN\n"
      "-A {0} -j MARK --xor-mark {1}\n"
      "-A {0} -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE{2}\n",
      kPostrouting, mark, options.random_fully ? " --random-fully" : "");
}

// Packets from outside to 127/8 that no NodePort rule translated: route_localnet would let them in.
std::string firewall_rules() {
  return fmt::format(
      "-A {} -m comment --comment \"block incoming localnet connections\" -d 127.0.0.0/8 ! -s 127.0.0.0/8 "
      "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n",
      kFirewall);
}

bool has_firewall(const CompileOptions& options) {
  return options.family == Family::ipv4 && (options.kubelet_chains || options.localhost_node_ports);
}

std::string jump_rule(const char* match, const char* comment, const char* to) {
  std::string rule = match;
  if (*comment != '\0') rule += fmt::format("-m comment --comment \"{}\" ", comment);
  return rule + "-j " + to;
}

}  // namespace

std::string LocalDetector::match() const { return (mode == Mode::cidr ? "-s " : "-i ") + value; }
std::string LocalDetector::not_match() const { return "! " + match(); }

const char* chain_name(SharedChain chain) {
  switch (chain) {
    case SharedChain::filter_services:
    case SharedChain::nat_services:
      return kServices;
    case SharedChain::filter_external_services:
      return kExternalServices;
    case SharedChain::filter_node_ports:
    case SharedChain::nat_node_ports:
      return kNodePorts;
    case SharedChain::filter_proxy_firewall:
      return kProxyFirewall;
  }
  return kServices;
}

std::vector<FixedChain> compile_fixed(const CompileOptions& options) {
  const std::string mark = fmt::format("0x{:08x}", options.masquerade_mark);
  std::vector<FixedChain> chains{
      {"filter", kForward, forward_rules(options, mark)},
      {"filter", kCanary, ""},
      {"nat", kPostrouting, postrouting_rules(options, mark)},
      {"nat", kMarkMasq, fmt::format("-A {} -j MARK --or-mark {}\n", kMarkMasq, mark)},
      {"nat", kCanary, ""},
      {"mangle", kCanary, ""},
  };
  if (has_firewall(options)) chains.push_back({"filter", kFirewall, firewall_rules()});
  if (options.kubelet_chains) chains.push_back({"mangle", kHint, ""});
  return chains;
}

std::vector<std::string> compile_node_port_jumps(const CompileOptions& options) {
  const std::string head =
      "-m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" ";
  const std::string tail = std::string(" -j ") + kNodePorts;
  if (!options.node_port_ips) {
    const char* except = options.family == Family::ipv6 ? " ! -d ::1/128"
                         : options.localhost_node_ports ? ""
                                                        : " ! -d 127.0.0.0/8";
    return {head + "-m addrtype --dst-type LOCAL" + except + tail};
  }
  std::vector<std::string> rules;
  for (const IpAddress& ip : *options.node_port_ips) {
    if (ip.family() != options.family) continue;
    if (ip.is_loopback() && (options.family == Family::ipv6 || !options.localhost_node_ports)) continue;
    rules.push_back(head + "-d " + ip.to_string() + tail);
  }
  return rules;
}

std::vector<Jump> compile_jumps(const CompileOptions& options) {
  constexpr const char* kNew = "-m conntrack --ctstate NEW ";
  constexpr const char* kPortals = "kubernetes service portals";
  constexpr const char* kVisible = "kubernetes externally-visible service portals";
  constexpr const char* kFirewallText = "kubernetes load balancer firewall";
  const auto jump = [](const char* table, const char* from, const char* to, const char* match, const char* comment) {
    return Jump{table, from, to, jump_rule(match, comment, to)};
  };
  std::vector<Jump> jumps{
      jump("filter", "INPUT", kExternalServices, kNew, kVisible),
      jump("filter", "FORWARD", kExternalServices, kNew, kVisible),
      jump("filter", "INPUT", kNodePorts, "", "kubernetes health check service ports"),
      jump("filter", "FORWARD", kServices, kNew, kPortals),
      jump("filter", "OUTPUT", kServices, kNew, kPortals),
      jump("filter", "FORWARD", kForward, "", "kubernetes forwarding rules"),
      jump("filter", "INPUT", kProxyFirewall, kNew, kFirewallText),
      jump("filter", "OUTPUT", kProxyFirewall, kNew, kFirewallText),
      jump("filter", "FORWARD", kProxyFirewall, kNew, kFirewallText),
      jump("nat", "OUTPUT", kServices, "", kPortals),
      jump("nat", "PREROUTING", kServices, "", kPortals),
      jump("nat", "POSTROUTING", kPostrouting, "", "kubernetes postrouting rules"),
  };
  if (has_firewall(options)) {
    jumps.push_back(jump("filter", "INPUT", kFirewall, "", ""));
    jumps.push_back(jump("filter", "OUTPUT", kFirewall, "", ""));
  }
  return jumps;
}

}  // namespace keelson::proxy
