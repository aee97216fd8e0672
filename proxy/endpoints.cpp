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

LeftOut judge_condition(const Endpoint& e) {
  if (is_ready(e)) return LeftOut::no;
  if (is_draining(e)) return LeftOut::draining;
  return (e.flags & kTerminating) != 0 ? LeftOut::terminating : LeftOut::not_ready;
}

// Where nothing is ready, what still drains is better than nothing.
void fall_back_to_draining(std::vector<LeftOut>& verdicts) {
  if (std::find(verdicts.begin(), verdicts.end(), LeftOut::no) != verdicts.end()) return;
  std::replace(verdicts.begin(), verdicts.end(), LeftOut::draining, LeftOut::no);
}

std::vector<Endpoint> pick(const std::vector<Endpoint>& all, const std::vector<LeftOut>& verdicts) {
  std::vector<Endpoint> chosen;
  chosen.reserve(static_cast<std::size_t>(std::count(verdicts.begin(), verdicts.end(), LeftOut::no)));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (verdicts[i] == LeftOut::no) chosen.push_back(all[i]);
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
        found.emplace_back(e.ip.with_port(port.port), Endpoint{e.ip, port.port, e.flags, e.zone_hints, e.node, e.zone});
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

std::vector<LeftOut> judge_for_cluster(const std::vector<Endpoint>& all, const NamePool& names, std::string_view zone) {
  const std::string wanted = ',' + std::string(zone) + ',';
  const Topology topology = topology_of(all, names, zone, wanted);
  std::vector<LeftOut> verdicts;
  verdicts.reserve(all.size());
  for (const Endpoint& e : all) {
    LeftOut verdict = judge_condition(e);
    if (verdict == LeftOut::no && topology == Topology::same_node && (e.flags & kHintedToNode) == 0) {
      verdict = LeftOut::other_node;
    } else if (verdict == LeftOut::no && topology == Topology::same_zone && !hinted_to_zone(e, names, wanted)) {
      verdict = LeftOut::other_zone;
    }
    verdicts.push_back(verdict);
  }
  fall_back_to_draining(verdicts);
  return verdicts;
}

std::vector<LeftOut> judge_for_local(const std::vector<Endpoint>& all) {
  std::vector<LeftOut> verdicts;
  verdicts.reserve(all.size());
  for (const Endpoint& e : all) verdicts.push_back(is_local(e) ? judge_condition(e) : LeftOut::other_node);
  fall_back_to_draining(verdicts);
  return verdicts;
}

EndpointChoice choose_endpoints(const std::vector<Endpoint>& all, const PortPolicy& policy, const NamePool& names,
                                std::string_view zone) {
  EndpointChoice choice;
  if (policy.uses_cluster()) choice.cluster = pick(all, judge_for_cluster(all, names, zone));
  choice.has_any = !choice.cluster.empty();
  if (!policy.uses_local()) {
    choice.reachable = choice.cluster;
    return choice;
  }
  choice.local = pick(all, judge_for_local(all));
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
