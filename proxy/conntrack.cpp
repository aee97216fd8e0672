#include "proxy/conntrack.hpp"

#include <algorithm>

#include "base/blocking_pool.hpp"

namespace keelson::proxy {
namespace {

// The endpoints of one port: serving ones, or all while none is.
StaleFlows::Targets port_targets(const ServiceEntry& service, const ServicePort& port, Family family) {
  StaleFlows::Targets serving, all;
  for (const Slice& slice : service.slices) {
    if (slice.family != family) continue;
    for (const SlicePort& from : slice.ports) {
      if (from.name != port.name || from.protocol != port.protocol) continue;
      for (const SliceEndpoint& e : slice.endpoints) {
        all.push_back({e.ip, from.port});
        if ((e.flags & kServing) != 0) serving.push_back({e.ip, from.port});
      }
    }
  }
  StaleFlows::Targets& out = serving.empty() ? all : serving;
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return std::move(out);
}

}  // namespace

bool StaleFlows::is_stale(const Flow& flow) const {
  const FlowTarget& to = flow.original_destination;
  const bool translated = flow.reply_source != to;
  auto at = frontends_.find({flow.protocol, to.ip, to.port});
  if (at == frontends_.end()) {
    at = frontends_.find({flow.protocol, {}, to.port});
    // A packet to this port of a stranger only passes through this node: no node port of ours.
    const bool to_us = translated || std::find(node_ips_.begin(), node_ips_.end(), to.ip) != node_ips_.end();
    if (at == frontends_.end() || !to_us) return false;
  }
  const Frontend& frontend = at->second;
  if (frontend.retired || frontend.endpoints.empty()) return translated;
  return !std::binary_search(frontend.endpoints.begin(), frontend.endpoints.end(), flow.reply_source);
}

bool StaleFlows::concerns(Protocol protocol) const {
  const auto at = frontends_.lower_bound({protocol, {}, 0});
  return at != frontends_.end() && at->first.protocol == protocol;
}

ServiceFlows service_flows(const ServiceEntry& service, Family family) {
  ServiceFlows out;
  if (!service.spec || !service.spec->cluster_ips[index_of(family)].is_set()) return out;
  for (const ServicePort& port : service.spec->ports) {
    if (port.protocol == Protocol::tcp) continue;
    const StaleFlows::Targets targets = port_targets(service, port, family);
    const auto add = [&](const IpAddress& ip, std::uint16_t number) { out[{port.protocol, ip, number}] = targets; };
    add(service.spec->cluster_ips[index_of(family)], port.port);
    if (port.node_port != 0) add({}, port.node_port);
    if (!service.spec->external) continue;
    for (const auto* list : {&service.spec->external->external_ips, &service.spec->external->vips}) {
      for (const IpAddress& ip : *list) {
        if (ip.family() == family) add(ip, port.port);
      }
    }
  }
  return out;
}

void FlowTracker::update(const Model& model, Family family, const std::vector<std::string>& keys, StaleFlows& stale) {
  // Retired ones first: a frontend may have moved from one Service to another.
  std::vector<std::pair<std::string, ServiceFlows>> changed;
  for (const std::string& key : keys) {
    const ServiceEntry* entry = model.find(key);
    ServiceFlows now = entry == nullptr ? ServiceFlows{} : service_flows(*entry, family);
    const auto before = known_.find(key);
    if (before == known_.end() ? now.empty() : before->second == now) continue;
    if (before != known_.end()) {
      for (const auto& [frontend, endpoints] : before->second) {
        if (!now.contains(frontend)) stale.retire(frontend);
      }
    }
    changed.emplace_back(key, std::move(now));
  }
  for (auto& [key, now] : changed) {
    for (const auto& [frontend, endpoints] : now) stale.serve(frontend, endpoints);
    if (now.empty()) {
      known_.erase(key);
    } else {
      known_[key] = std::move(now);
    }
  }
}

Awaitable<Result<std::size_t>> NetlinkConntrack::remove_stale(Family family, StaleFlows stale) {
  auto work = [family, stale = std::move(stale)] { return remove_stale_flows(family, stale); };
  auto removed = co_await pool_.run(std::move(work));
  co_return removed;
}

}  // namespace keelson::proxy
