#include "proxy/explain.hpp"

#include <algorithm>

#include "proxy/decision.hpp"

namespace keelson::proxy {
namespace {

Outcome outcome_of(const PortDecision& d, bool answered, bool local_policy) {
  if (answered) return Outcome::balanced;
  return missing(d, local_policy) == Missing::drop ? Outcome::dropped : Outcome::rejected;
}

Masquerade internal_masquerade(const CompileOptions& options) {
  if (options.masquerade_all) return Masquerade::all;
  return options.local.enabled() ? Masquerade::not_local_pods : Masquerade::never;
}

FrontendFate internal_frontend(const PortDecision& d, const ServicePort& port, const CompileOptions& options) {
  FrontendFate f;
  f.kind = FrontendKind::cluster_ip;
  f.addresses = {d.cluster_ip};
  f.port = port.port;
  f.local_policy = d.policy.internal_local;
  f.outcome = outcome_of(d, d.has_internal, f.local_policy);
  f.masquerade = internal_masquerade(options);
  return f;
}

FrontendFate external_frontend(const PortDecision& d, FrontendKind kind, std::uint16_t port) {
  FrontendFate f;
  f.kind = kind;
  f.port = port;
  f.local_policy = d.policy.external_local;
  f.outcome = outcome_of(d, d.has_external, f.local_policy);
  f.masquerade = f.local_policy ? Masquerade::node_itself : Masquerade::all;
  return f;
}

std::vector<FrontendFate> frontends(const PortDecision& d, const ServicePort& port, const CompileOptions& options) {
  std::vector<FrontendFate> out = {internal_frontend(d, port, options)};
  if (port.node_port != 0) {
    FrontendFate f = external_frontend(d, FrontendKind::node_port, port.node_port);
    if (options.node_port_ips) f.addresses = *options.node_port_ips;
    f.localhost = options.family == Family::ipv4 && options.localhost_node_ports;
    out.push_back(std::move(f));
  }
  for (const IpAddress& ip : d.external_ips) {
    out.push_back(external_frontend(d, FrontendKind::external_ip, port.port));
    out.back().addresses = {ip};
  }
  for (const IpAddress& ip : d.vips) {
    out.push_back(external_frontend(d, FrontendKind::load_balancer_ip, port.port));
    out.back().addresses = {ip};
    out.back().source_ranges = d.source_ranges;
  }
  return out;
}

// The ports that the family's slices have, each once.
std::vector<SlicePort> slice_ports(const ServiceEntry& service, Family family) {
  std::vector<SlicePort> out;
  for (const Slice& slice : service.slices) {
    if (slice.family != family || slice.endpoints.empty()) continue;
    for (const SlicePort& p : slice.ports) {
      const bool known = std::any_of(out.begin(), out.end(), [&p](const SlicePort& other) {
        return other.name == p.name && other.protocol == p.protocol && other.port == p.port;
      });
      if (!known) out.push_back(p);
    }
  }
  return out;
}

PortFate explain_port(const ServiceEntry& service, const ServicePort& port, const Model& model,
                      const CompileOptions& options) {
  PortFate fate;
  fate.family = options.family;
  fate.port = port;
  const PortDecision decision = decide_port(service, port, model, options.family);
  fate.frontends = frontends(decision, port, options);
  fate.uses_cluster = decision.policy.uses_cluster();
  fate.uses_local = decision.policy.uses_local();
  const auto all = gather_endpoints(service, port.name, port.protocol, options.family);
  const auto cluster = judge_for_cluster(all, model.names(), model.zone());
  const auto local = judge_for_local(all);
  for (std::size_t i = 0; i < all.size(); ++i) fate.endpoints.push_back({all[i], cluster[i], local[i]});
  if (all.empty()) fate.other_ports = slice_ports(service, options.family);
  return fate;
}

}  // namespace

ServiceFate explain_service(const Model& model, const std::string& key, const std::vector<CompileOptions>& options) {
  ServiceFate fate;
  fate.key = key;
  const ServiceEntry* service = model.find(key);
  if (service == nullptr) return fate;
  fate.slices = service->slices.size();
  if (!service->spec) return fate;
  fate.has_rules = true;
  fate.affinity_seconds = service->spec->affinity_seconds;
  fate.health_check_node_port = service->spec->health_check_node_port;
  for (const CompileOptions& o : options) {
    if (!service->spec->cluster_ips[index_of(o.family)].is_set()) continue;
    for (const ServicePort& port : service->spec->ports) {
      fate.ports.push_back(explain_port(*service, port, model, o));
    }
  }
  return fate;
}

std::vector<std::string> services_named(const Model& model, const std::string& ns, const std::string& name) {
  std::vector<std::string> out;
  for (const auto& [key, entry] : model.services()) {
    const std::size_t slash = key.find('/');
    if (key.substr(slash + 1) == name && (ns.empty() || key.substr(0, slash) == ns)) out.emplace_back(key);
  }
  for (const auto& [key, service] : model.ruleless()) {
    const std::size_t slash = key.find('/');
    const bool known = model.find(key) != nullptr;  // by its slices
    if (!known && key.substr(slash + 1) == name && (ns.empty() || key.substr(0, slash) == ns)) out.push_back(key);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace keelson::proxy
