#include "proxy/endpoints.hpp"

#include <algorithm>

namespace keelson::proxy {
namespace {

bool is_ready(const Endpoint& e) { return (e.flags & kReady) != 0; }
bool is_local(const Endpoint& e) { return (e.flags & kLocal) != 0; }
bool is_draining(const Endpoint& e) { return (e.flags & kServing) != 0 && (e.flags & kTerminating) != 0; }

enum class Topology { none, same_node, same_zone };

bool hinted_to_zone(const Endpoint& e, const NamePool& names, const std::string& wanted) {
  return names.text(e.zone_hints).find(wanted) != std::string_view::npos;
}

// A single ready endpoint without hints turns that kind of hint off, and so does a set of hints that never names us.
Topology topology_of(const std::vector<Endpoint>& all, const NamePool& names, std::string_view zone,
                     const std::string& wanted) {
  bool node_hints = true, zone_hints = !zone.empty(), our_node = false, our_zone = false;
  for (const Endpoint& e : all) {
    if (!is_ready(e)) continue;
    node_hints = node_hints && (e.flags & kHasNodeHints) != 0;
    zone_hints = zone_hints && e.zone_hints != 0;
    our_node = our_node || (e.flags & kHintedToNode) != 0;
    our_zone = our_zone || hinted_to_zone(e, names, wanted);
  }
  if (node_hints && our_node) return Topology::same_node;
  return zone_hints && our_zone ? Topology::same_zone : Topology::none;
}

std::vector<Endpoint> cluster_list(const std::vector<Endpoint>& all, const NamePool& names, std::string_view zone) {
  const std::string wanted = ',' + std::string(zone) + ',';
  const Topology topology = topology_of(all, names, zone, wanted);
  std::vector<Endpoint> chosen;
  for (const Endpoint& e : all) {
    if (!is_ready(e)) continue;
    if (topology == Topology::same_node && (e.flags & kHintedToNode) == 0) continue;
    if (topology == Topology::same_zone && !hinted_to_zone(e, names, wanted)) continue;
    chosen.push_back(e);
  }
  if (chosen.empty()) std::copy_if(all.begin(), all.end(), std::back_inserter(chosen), is_draining);
  return chosen;
}

std::vector<Endpoint> local_list(const std::vector<Endpoint>& all) {
  std::vector<Endpoint> chosen;
  std::copy_if(all.begin(), all.end(), std::back_inserter(chosen),
               [](const Endpoint& e) { return is_local(e) && is_ready(e); });
  if (chosen.empty()) {
    std::copy_if(all.begin(), all.end(), std::back_inserter(chosen),
                 [](const Endpoint& e) { return is_local(e) && is_draining(e); });
  }
  return chosen;
}

bool same_target(const Endpoint& a, const Endpoint& b) { return a.ip == b.ip && a.port == b.port; }

}  // namespace

std::vector<Endpoint> gather_endpoints(const ServiceEntry& service, NameId name, Protocol protocol, Family family) {
  std::vector<std::pair<std::string, Endpoint>> found;
  for (const Slice& slice : service.slices) {
    if (slice.family != family) continue;
    for (const SlicePort& port : slice.ports) {
      if (port.name != name || port.protocol != protocol) continue;
      for (const SliceEndpoint& e : slice.endpoints) {
        found.emplace_back(e.ip.with_port(port.port), Endpoint{e.ip, port.port, e.flags, e.zone_hints});
      }
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    if (const int order = a.first.compare(b.first); order != 0) return order < 0;
    return is_local(a.second) && !is_local(b.second);
  });
  std::vector<Endpoint> endpoints;
  endpoints.reserve(found.size());
  for (const auto& [text, endpoint] : found) {
    if (endpoints.empty() || !same_target(endpoints.back(), endpoint)) endpoints.push_back(endpoint);
  }
  return endpoints;
}

EndpointChoice choose_endpoints(const std::vector<Endpoint>& all, const PortPolicy& policy, const NamePool& names,
                                std::string_view zone) {
  EndpointChoice choice;
  if (policy.uses_cluster()) choice.cluster = cluster_list(all, names, zone);
  choice.has_any = !choice.cluster.empty();
  if (!policy.uses_local()) {
    choice.reachable = choice.cluster;
    return choice;
  }
  choice.local = local_list(all);
  choice.has_any = choice.has_any ||
                   std::any_of(all.begin(), all.end(), [](const Endpoint& e) { return is_ready(e) || is_draining(e); });
  // Both lists are picked from `all` in its order: one walk merges them.
  auto c = choice.cluster.begin(), l = choice.local.begin();
  for (const Endpoint& e : all) {
    const bool in_cluster = c != choice.cluster.end() && same_target(*c, e);
    const bool in_local = l != choice.local.end() && same_target(*l, e);
    if (in_cluster) ++c;
    if (in_local) ++l;
    if (in_cluster || in_local) choice.reachable.push_back(e);
  }
  return choice;
}

}  // namespace keelson::proxy
