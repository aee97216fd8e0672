#include "proxy/conntrack.hpp"

#include <algorithm>

#include "base/blocking_pool.hpp"

namespace keelson::proxy {

bool StaleUdp::is_stale(const UdpFlow& flow) const {
  const UdpTarget& to = flow.original_destination;
  const bool translated = flow.reply_source != to;
  auto at = frontends_.find({to.ip, to.port});
  if (at == frontends_.end()) {
    at = frontends_.find({{}, to.port});
    // A packet to this port of a stranger only passes through this node: no node port of ours.
    const bool to_us = translated || std::find(node_ips_.begin(), node_ips_.end(), to.ip) != node_ips_.end();
    if (at == frontends_.end() || !to_us) return false;
  }
  const Frontend& frontend = at->second;
  if (frontend.retired) return translated;
  return !frontend.endpoints.empty() && !frontend.endpoints.contains(flow.reply_source);
}

UdpServices udp_services(const ServiceEntry& service, Family family) {
  UdpServices out;
  if (!service.spec || !service.spec->cluster_ips[index_of(family)].is_set()) return out;
  for (const ServicePort& port : service.spec->ports) {
    if (port.protocol != Protocol::udp) continue;
    std::set<UdpTarget> serving;
    for (const Slice& slice : service.slices) {
      if (slice.family != family) continue;
      for (const SlicePort& from : slice.ports) {
        if (from.name != port.name || from.protocol != Protocol::udp) continue;
        for (const SliceEndpoint& e : slice.endpoints) {
          if ((e.flags & kServing) != 0) serving.insert({e.ip, from.port});
        }
      }
    }
    out[{service.spec->cluster_ips[index_of(family)], port.port}] = serving;
    if (port.node_port != 0) out[{{}, port.node_port}] = serving;
    if (!service.spec->external) continue;
    for (const auto* list : {&service.spec->external->external_ips, &service.spec->external->vips}) {
      for (const IpAddress& ip : *list) {
        if (ip.family() == family) out[{ip, port.port}] = serving;
      }
    }
  }
  return out;
}

void UdpTracker::update(const Model& model, Family family, const std::vector<std::string>& keys, StaleUdp& stale) {
  // Retired ones first: a frontend may have moved from one Service to another.
  std::vector<std::pair<std::string, UdpServices>> changed;
  for (const std::string& key : keys) {
    const ServiceEntry* entry = model.find(key);
    UdpServices now = entry == nullptr ? UdpServices{} : udp_services(*entry, family);
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

Awaitable<Result<std::size_t>> NetlinkConntrack::remove_stale(Family family, StaleUdp stale) {
  auto work = [family, stale = std::move(stale)] { return remove_stale_udp(family, stale); };
  auto removed = co_await pool_.run(std::move(work));
  co_return removed;
}

}  // namespace keelson::proxy
