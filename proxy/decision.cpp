#include "proxy/decision.hpp"

#include <algorithm>

namespace keelson::proxy {
namespace {

// Those of the family, each once: a Service may list an address twice.
template <class T>
std::vector<T> of_family(const std::vector<T>& all, Family family) {
  std::vector<T> picked;
  for (const T& t : all) {
    if (t.family() == family && std::find(picked.begin(), picked.end(), t) == picked.end()) picked.push_back(t);
  }
  return picked;
}

}  // namespace

PortDecision decide_port(const ServiceEntry& service, const ServicePort& port, const Model& model, Family family) {
  const ServiceSpec& spec = *service.spec;
  PortDecision d;
  d.cluster_ip = spec.cluster_ips[index_of(family)];
  if (spec.external) {
    d.external_ips = of_family(spec.external->external_ips, family);
    d.vips = of_family(spec.external->vips, family);
    d.source_ranges = of_family(spec.external->source_ranges, family);
  }
  const bool accessible = port.node_port != 0 || !d.vips.empty() || !d.external_ips.empty();
  d.policy = {spec.internal_local, spec.external_local, accessible};
  const auto all = gather_endpoints(service, port.name, port.protocol, family);
  d.choice = choose_endpoints(all, d.policy, model.names(), model.zone());
  d.has_internal = d.choice.has_any && (!spec.internal_local || !d.choice.local.empty());
  d.has_external = d.choice.has_any && (!spec.external_local || !d.choice.local.empty());
  d.uses_firewall = d.choice.has_any && !d.vips.empty() && !d.source_ranges.empty();
  return d;
}

std::string service_port_name(const ServiceEntry& service, const ServicePort& port, const NamePool& names) {
  std::string name = service.key;
  if (port.name != 0) name.append(":").append(names.text(port.name));
  return name;
}

bool is_node_allowed(const PortDecision& d, const IpAddress& node_ip) {
  return node_ip.is_set() && std::any_of(d.source_ranges.begin(), d.source_ranges.end(),
                                         [&](const IpPrefix& range) { return range.contains(node_ip); });
}

}  // namespace keelson::proxy
