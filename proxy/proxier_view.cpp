// What can be asked of a Proxier beside its status: computed when asked.
#include "proxy/decision.hpp"
#include "proxy/proxier.hpp"

namespace keelson::proxy {

std::vector<Family> Proxier::families_in_use() const {
  std::vector<Family> out;
  for (const FamilyState& state : families_) out.push_back(state.status.family);
  return out;
}

std::optional<std::vector<IpAddress>> Proxier::node_port_addresses() const {
  std::vector<IpAddress> out;
  for (const FamilyState& state : families_) {
    if (!state.options.node_port_ips) return std::nullopt;
    out.insert(out.end(), state.options.node_port_ips->begin(), state.options.node_port_ips->end());
  }
  return families_.empty() ? std::nullopt : std::optional(std::move(out));
}

ServiceFate Proxier::explain(const std::string& key) const {
  std::vector<CompileOptions> options;
  for (const FamilyState& state : families_) options.push_back(state.options);
  return explain_service(model_, key, options);
}

Proxier::NoLocalEndpoints Proxier::no_local_endpoints(Family family) const {
  NoLocalEndpoints out;
  for (const auto& [key, entry] : model_.services()) {
    const ServiceSpec* spec = entry->spec.get();
    if (spec == nullptr || !(spec->internal_local || spec->external_local)) continue;
    if (!spec->cluster_ips[index_of(family)].is_set()) continue;
    for (const ServicePort& port : spec->ports) {
      const PortDecision d = decide_port(*entry, port, model_, family);
      if (!d.choice.has_any || !d.choice.local.empty()) continue;
      if (d.policy.internal_local) ++out.internal;
      if (d.policy.external_local && d.policy.externally_accessible) ++out.external;
    }
  }
  return out;
}

}  // namespace keelson::proxy
