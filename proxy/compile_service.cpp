#include <fmt/format.h>

#include <algorithm>

#include "proxy/compile.hpp"
#include "proxy/decision.hpp"

namespace keelson::proxy {
namespace {

// One service port of one family, with everything its rules are made of.
class PortCompiler {
 public:
  PortCompiler(const ServiceEntry& service, const ServicePort& port, const Model& model, const CompileOptions& options,
               ServiceRules& out);
  void run();

 private:
  void add_chain(ChainKind kind, const std::string& rules);
  void add_shared(SharedChain chain, std::string rule) { out_.shared.push_back({chain, std::move(rule)}); }

  void cluster_ip_rules();
  void external_ip_rules();
  void vip_rules();
  void node_port_rules();
  void external_chain();
  void firewall_chain();
  void policy_chain(ChainKind kind, const std::vector<Endpoint>& endpoints);
  void endpoint_chains();

  // `-m comment --comment "..." -m tcp -p tcp -d IP --dport PORT`
  [[nodiscard]] std::string match(const std::string& comment, const IpAddress& ip) const;
  [[nodiscard]] std::string no_endpoints(const std::string& destination, bool local_policy) const;
  [[nodiscard]] std::string internal_target() const { return spec_.internal_local ? svl_ : svc_; }
  [[nodiscard]] std::string external_target() const { return spec_.external_local ? svl_ : svc_; }

  const ServiceSpec& spec_;
  const ServicePort& port_;
  const CompileOptions& options_;
  ServiceRules& out_;
  std::string name_;   // namespace/name[:port]
  std::string proto_;  // "-m tcp -p tcp"
  std::string svc_, svl_, ext_, fw_;
  ChainId svc_id_;
  PortDecision decision_;
  const EndpointChoice& choice_ = decision_.choice;
};

std::string named(ChainId id, ChainKind kind) {
  id.kind = kind;
  return id.name();
}

PortCompiler::PortCompiler(const ServiceEntry& service, const ServicePort& port, const Model& model,
                           const CompileOptions& options, ServiceRules& out)
    : spec_(*service.spec),
      port_(port),
      options_(options),
      out_(out),
      name_(service_port_name(service, port, model.names())),
      decision_(decide_port(service, port, model, options.family)) {
  const std::string_view proto = to_string(port.protocol);
  proto_ = fmt::format("-m {0} -p {0}", proto);
  svc_id_ = service_chain(ChainKind::svc, name_, proto);
  svc_ = svc_id_.name();
  svl_ = named(svc_id_, ChainKind::svl);
  ext_ = named(svc_id_, ChainKind::ext);
  fw_ = named(svc_id_, ChainKind::fw);
}

std::string PortCompiler::match(const std::string& comment, const IpAddress& ip) const {
  return fmt::format("-m comment --comment \"{} {}\" {} -d {} --dport {}", name_, comment, proto_, ip.to_string(),
                     port_.port);
}

// The filter rule that answers for a destination without endpoints: REJECT, or DROP when only local ones are missing.
std::string PortCompiler::no_endpoints(const std::string& destination, bool local_policy) const {
  const bool dropped = missing(decision_, local_policy) == Missing::drop;
  return fmt::format("-m comment --comment \"{} has no {}endpoints\" {} -j {}", name_, dropped ? "local " : "",
                     destination, dropped ? "DROP" : "REJECT");
}

void PortCompiler::add_chain(ChainKind kind, const std::string& rules) {
  ChainId id = svc_id_;
  id.kind = kind;
  out_.chains.push_back({id, rules, static_cast<std::uint32_t>(std::count(rules.begin(), rules.end(), '\n'))});
}

void PortCompiler::run() {
  cluster_ip_rules();
  external_ip_rules();
  vip_rules();
  node_port_rules();
  if (!choice_.cluster.empty()) policy_chain(ChainKind::svc, choice_.cluster);
  if (!choice_.local.empty()) policy_chain(ChainKind::svl, choice_.local);
  if (choice_.has_any && decision_.policy.externally_accessible) external_chain();
  if (decision_.uses_firewall) firewall_chain();
  endpoint_chains();
}

void PortCompiler::cluster_ip_rules() {
  if (decision_.has_internal) {
    add_shared(SharedChain::nat_services, match("cluster IP", decision_.cluster_ip) + " -j " + internal_target());
    return;
  }
  add_shared(SharedChain::filter_services,
             no_endpoints(fmt::format("{} -d {} --dport {}", proto_, decision_.cluster_ip.to_string(), port_.port),
                          spec_.internal_local));
}

void PortCompiler::external_ip_rules() {
  for (const IpAddress& ip : decision_.external_ips) {
    if (choice_.has_any) add_shared(SharedChain::nat_services, match("external IP", ip) + " -j " + ext_);
    if (!decision_.has_external) {
      add_shared(
          SharedChain::filter_external_services,
          no_endpoints(fmt::format("{} -d {} --dport {}", proto_, ip.to_string(), port_.port), spec_.external_local));
    }
  }
}

void PortCompiler::vip_rules() {
  for (const IpAddress& ip : decision_.vips) {
    if (choice_.has_any) {
      add_shared(SharedChain::nat_services,
                 match("loadbalancer IP", ip) + " -j " + (decision_.uses_firewall ? fw_ : ext_));
    }
    if (decision_.uses_firewall) {
      add_shared(SharedChain::filter_proxy_firewall, match("traffic not accepted by " + fw_, ip) + " -j DROP");
    }
    if (!decision_.has_external) {
      add_shared(
          SharedChain::filter_external_services,
          no_endpoints(fmt::format("{} -d {} --dport {}", proto_, ip.to_string(), port_.port), spec_.external_local));
    }
  }
}

void PortCompiler::node_port_rules() {
  if (port_.node_port != 0) {
    const std::string rule = fmt::format("-m comment --comment {} {}", name_, proto_);
    if (choice_.has_any) {
      if (options_.family == Family::ipv4 && options_.localhost_node_ports && options_.counters) {
        add_shared(SharedChain::nat_node_ports,
                   fmt::format("{} -d 127.0.0.0/8 --dport {} -m nfacct --nfacct-name localhost_nps_accepted_pkts -j {}",
                               rule, port_.node_port, ext_));
      }
      add_shared(SharedChain::nat_node_ports, fmt::format("{} --dport {} -j {}", rule, port_.node_port, ext_));
    }
    if (!decision_.has_external) {
      add_shared(SharedChain::filter_external_services,
                 no_endpoints(fmt::format("-m addrtype --dst-type LOCAL {} --dport {}", proto_, port_.node_port),
                              spec_.external_local));
    }
  }
  if (spec_.health_check_node_port != 0) {
    add_shared(SharedChain::filter_node_ports,
               fmt::format("-m comment --comment \"{} health check node port\" -m tcp -p tcp --dport {} -j ACCEPT",
                           name_, spec_.health_check_node_port));
  }
}

void PortCompiler::external_chain() {
  std::string rules;
  const std::string of = name_ + " external destinations";
  if (!spec_.external_local) {
    rules += fmt::format("-A {} -m comment --comment \"masquerade traffic for {}\" -j {}\n", ext_, of, kMarkMasq);
  } else {
    if (options_.local.enabled()) {
      rules += fmt::format("-A {} -m comment --comment \"pod traffic for {}\" {} -j {}\n", ext_, of,
                           options_.local.match(), svc_);
    }
    rules += fmt::format(
        "-A {} -m comment --comment \"masquerade LOCAL traffic for {}\" -m addrtype --src-type LOCAL -j {}\n", ext_, of,
        kMarkMasq);
    rules +=
        fmt::format("-A {} -m comment --comment \"route LOCAL traffic for {}\" -m addrtype --src-type LOCAL -j {}\n",
                    ext_, of, svc_);
  }
  if (decision_.has_external) rules += fmt::format("-A {} -j {}\n", ext_, external_target());
  add_chain(ChainKind::ext, rules);
}

void PortCompiler::firewall_chain() {
  std::string rules;
  const std::string head = fmt::format("-A {} -m comment --comment \"{} loadbalancer IP\" -s ", fw_, name_);
  const bool node_allowed = is_node_allowed(decision_, options_.node_ip);
  for (const IpPrefix& range : decision_.source_ranges) {
    rules += fmt::format("{}{} -j {}\n", head, range.to_string(), ext_);
  }
  // A node's own packet to the VIP may carry the VIP as its source.
  for (const IpAddress& vip : decision_.vips) {
    if (node_allowed) rules += fmt::format("{}{} -j {}\n", head, vip.to_string(), ext_);
  }
  rules += fmt::format("-A {} -m comment --comment \"other traffic to {} will be dropped by {}\"\n", fw_, name_,
                       kProxyFirewall);
  add_chain(ChainKind::fw, rules);
}

void PortCompiler::policy_chain(ChainKind kind, const std::vector<Endpoint>& endpoints) {
  const std::string chain = named(svc_id_, kind);
  std::string rules;
  if (decision_.has_internal && (kind == ChainKind::svl) == spec_.internal_local) {
    if (options_.masquerade_all) {
      rules += fmt::format("-A {} {} -j {}\n", chain, match("cluster IP", decision_.cluster_ip), kMarkMasq);
    } else if (options_.local.enabled()) {
      rules += fmt::format("-A {} {} {} -j {}\n", chain, match("cluster IP", decision_.cluster_ip),
                           options_.local.not_match(), kMarkMasq);
    }
  }
  std::string affinity, balance;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const std::string target = endpoints[i].ip.with_port(endpoints[i].port);
    const std::string sep = endpoint_chain(name_, to_string(port_.protocol), target).name();
    const std::string comment = options_.terse ? "" : fmt::format("-m comment --comment \"{} -> {}\" ", name_, target);
    if (spec_.affinity_seconds != 0) {
      affinity += fmt::format("-A {0} {1}-m recent --name {2} --rcheck --seconds {3} --reap -j {2}\n", chain, comment,
                              sep, spec_.affinity_seconds);
    }
    const std::size_t left = endpoints.size() - i;
    const std::string chance =
        left == 1 ? ""
                  : fmt::format("-m statistic --mode random --probability {:.10f} ", 1.0 / static_cast<double>(left));
    balance += fmt::format("-A {} {}{}-j {}\n", chain, comment, chance, sep);
  }
  add_chain(kind, rules + affinity + balance);
}

void PortCompiler::endpoint_chains() {
  const std::string comment = options_.terse ? "" : fmt::format("-m comment --comment {} ", name_);
  for (const Endpoint& e : choice_.reachable) {
    const std::string target = e.ip.with_port(e.port);
    const ChainId id = endpoint_chain(name_, to_string(port_.protocol), target);
    const std::string sep = id.name();
    std::string rules = fmt::format("-A {} {}-s {} -j {}\n", sep, comment, e.ip.to_string(), kMarkMasq);
    const std::string recent = spec_.affinity_seconds == 0 ? "" : fmt::format("-m recent --name {} --set ", sep);
    rules += fmt::format("-A {} {}{}{} -j DNAT --to-destination {}\n", sep, comment, recent, proto_, target);
    out_.chains.push_back({id, std::move(rules), 2});
  }
}

}  // namespace

ServiceRules compile_service(const ServiceEntry& service, const Model& model, const CompileOptions& options) {
  ServiceRules out;
  if (!service.spec || !service.spec->cluster_ips[index_of(options.family)].is_set()) return out;
  for (const ServicePort& port : service.spec->ports) PortCompiler(service, port, model, options, out).run();
  // An address that the Service lists twice would give its rules twice.
  std::vector<SharedRule> unique;
  for (SharedRule& rule : out.shared) {
    if (std::find(unique.begin(), unique.end(), rule) == unique.end()) unique.push_back(std::move(rule));
  }
  out.shared = std::move(unique);
  return out;
}

}  // namespace keelson::proxy
