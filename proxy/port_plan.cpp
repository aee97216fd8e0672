#include "proxy/port_plan.hpp"

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

PortPlan plan_port(const ServiceEntry& service, const ServicePort& port, const Model& model,
                   const CompileOptions& options) {
  const ServiceSpec& spec = *service.spec;
  PortPlan plan;
  plan.name = service.key;
  if (port.name != 0) plan.name.append(":").append(model.names().text(port.name));
  plan.cluster_ip = spec.cluster_ips[index_of(options.family)];
  if (spec.external) {
    plan.external_ips = of_family(spec.external->external_ips, options.family);
    plan.vips = of_family(spec.external->vips, options.family);
    plan.ranges = of_family(spec.external->source_ranges, options.family);
  }
  plan.accessible = port.node_port != 0 || !plan.vips.empty() || !plan.external_ips.empty();
  const PortPolicy policy{spec.internal_local, spec.external_local, plan.accessible};
  const auto all = gather_endpoints(service, port.name, port.protocol, options.family);
  plan.choice = choose_endpoints(all, policy, model.names(), model.zone());
  plan.has_internal = plan.choice.has_any && (!spec.internal_local || !plan.choice.local.empty());
  plan.has_external = plan.choice.has_any && (!spec.external_local || !plan.choice.local.empty());
  plan.node_allowed =
      options.node_ip.is_set() && std::any_of(plan.ranges.begin(), plan.ranges.end(),
                                              [&options](const IpPrefix& r) { return r.contains(options.node_ip); });
  return plan;
}

}  // namespace keelson::proxy
