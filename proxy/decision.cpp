#include "proxy/decision.hpp"

#include <algorithm>

namespace keelson::proxy {
namespace {

template <class T>
std::vector<T> of_family(const std::vector<T>& all, Family family) {
  std::vector<T> picked;
  std::copy_if(all.begin(), all.end(), std::back_inserter(picked),
               [family](const T& t) { return t.family() == family; });
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

}  // namespace keelson::proxy
