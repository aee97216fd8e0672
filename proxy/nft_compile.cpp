#include "proxy/nft_compile.hpp"

#include <algorithm>

#include "proxy/decision.hpp"

namespace keelson::proxy {
namespace {

constexpr std::size_t kMostEndpoints = 0xffff;
constexpr std::uint32_t kLongestAffinity = 86400;  // as the API allows

// One service port of one family.
class ElementCompiler {
 public:
  ElementCompiler(const ServiceEntry& service, const ServicePort& port, const Model& model,
                  const CompileOptions& options, NftHandlers& handlers, std::string& out)
      : spec_(*service.spec),
        port_(port),
        family_(options.family),
        detects_local_(options.local.enabled()),
        handlers_(handlers),
        out_(out),
        decision_(decide_port(service, port, model, options.family)),
        id_(nft_service_id(service_port_name(service, port, model.names()), port.protocol)),
        node_allowed_(is_node_allowed(decision_, options.node_ip)),
        cluster_(std::min(decision_.choice.cluster.size(), kMostEndpoints)),
        local_(std::min(decision_.choice.local.size(), kMostEndpoints)) {}

  void run() {
    cluster_ip();
    for (const IpAddress& ip : decision_.external_ips) external(ip);
    for (const IpAddress& ip : decision_.vips) external(ip);
    if (!decision_.source_ranges.empty())
      std::for_each(decision_.vips.begin(), decision_.vips.end(), [this](auto& ip) { firewall(ip); });
    if (port_.node_port != 0) node_port();
    endpoints(decision_.choice.cluster, cluster_, 0, NftSet::sticky_endpoints);
    endpoints(decision_.choice.local, local_, kLocalIndex, NftSet::sticky_local);
    hairpins();
  }

 private:
  NftRecord record(NftSet set) { return NftRecord(out_, set, family_); }
  NftRecord at_address(NftSet set, const IpAddress& ip) {
    NftRecord r = record(set);
    return r.address(ip).protocol(port_.protocol).port(port_.port);
  }
  NftRecord at_node_port(NftSet set) { return record(set).protocol(port_.protocol).port(port_.node_port); }

  void handle(NftRecord frontend, NftHandler::Kind kind, bool with_cluster, bool with_local) {
    const NftHandler handler{kind, std::min(spec_.affinity_seconds, kLongestAffinity),
                             static_cast<std::uint16_t>(with_cluster ? cluster_ : 0),
                             static_cast<std::uint16_t>(with_local ? local_ : 0)};
    frontend.number(0).number(handlers_.number(handler)).service(id_);
  }

  void cluster_ip() {
    using Kind = NftHandler::Kind;
    const bool local = spec_.internal_local;
    record(NftSet::cluster_ips).address(decision_.cluster_ip);
    if (decision_.has_internal) {
      handle(at_address(NftSet::service_frontends, decision_.cluster_ip), local ? Kind::internal_local : Kind::internal,
             !local, local);
    } else {
      at_address(missing(decision_, local) == Missing::drop ? NftSet::dropped_services : NftSet::rejected_services,
                 decision_.cluster_ip);
    }
  }

  void external(const IpAddress& ip) {
    using Kind = NftHandler::Kind;
    const bool local = spec_.external_local;
    if (decision_.choice.has_any) {
      handle(at_address(NftSet::service_frontends, ip), local ? Kind::external_local : Kind::external, true, local);
    }
    if (!decision_.has_external) {
      at_address(missing(decision_, local) == Missing::drop ? NftSet::dropped_services : NftSet::rejected_services, ip);
    }
  }

  void node_port() {
    using Kind = NftHandler::Kind;
    const bool local = spec_.external_local;
    if (decision_.choice.has_any) {
      handle(at_node_port(NftSet::nodeport_frontends), local ? Kind::nodeport_local : Kind::nodeport, true, local);
    }
    if (!decision_.has_external) {
      at_node_port(missing(decision_, local) == Missing::drop ? NftSet::dropped_nodeports : NftSet::rejected_nodeports);
    }
  }

  // Unlike in iptables mode, the sources are looked at before anything is translated, with or without endpoints.
  void firewall(const IpAddress& vip) {
    at_address(NftSet::firewalled_services, vip);
    for (const IpPrefix& range : decision_.source_ranges) source(vip, range.address, range.bits);
    // A node's own packet to a VIP may carry any of them as its source.
    if (!node_allowed_) return;
    for (const IpAddress& own : decision_.vips) source(vip, own, family_ == Family::ipv4 ? 32 : 128);
  }
  void source(const IpAddress& vip, const IpAddress& from, std::uint8_t bits) {
    at_address(NftSet::firewall_sources, vip).address(from).number(bits);
  }

  void endpoints(const std::vector<Endpoint>& list, std::size_t count, std::uint32_t first, NftSet sticky) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const Endpoint& e = list[i];
      if (spec_.affinity_seconds == 0) {
        record(NftSet::service_endpoints).service(id_).number(first + i).address(e.ip).port(e.port);
      } else {
        record(NftSet::sticky_choices).service(id_).number(first + i).number(0).address(e.ip).port(e.port);
        record(sticky).address(e.ip).port(e.port).service(id_);
      }
    }
  }

  // Only a pod of this node sends packets to itself through us unmasqueraded; or, where the policy is Local, another
  // one that is known to be a pod and so goes to any endpoint with its own address.
  void hairpins() {
    const bool all = spec_.external_local && decision_.policy.externally_accessible && detects_local_;
    for (const Endpoint& e : decision_.choice.reachable) {
      if (all || (e.flags & kLocal) != 0) record(NftSet::hairpin_endpoints).address(e.ip).address(e.ip);
    }
  }

  const ServiceSpec& spec_;
  const ServicePort& port_;
  Family family_;
  bool detects_local_;
  NftHandlers& handlers_;
  std::string& out_;
  const PortDecision decision_;
  const NftServiceId id_;
  const bool node_allowed_;
  const std::size_t cluster_, local_;  // endpoints that count
};

}  // namespace

std::string sorted_records(std::string_view records, Family family) {
  std::vector<std::string_view> all;
  std::size_t size = records.size();
  while (!records.empty()) {
    const char* start = records.data();
    (void)take_element(records, family);
    all.emplace_back(start, static_cast<std::size_t>(records.data() - start));
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  std::string out;
  out.reserve(size);
  for (const std::string_view record : all) out += record;
  return out;
}

std::string compile_elements(const ServiceEntry& service, const Model& model, const CompileOptions& options,
                             NftHandlers& handlers) {
  std::string out;
  if (!service.spec || !service.spec->cluster_ips[index_of(options.family)].is_set()) return out;
  for (const ServicePort& port : service.spec->ports)
    ElementCompiler(service, port, model, options, handlers, out).run();
  return sorted_records(out, options.family);
}

std::string compile_nodeport_ips(const CompileOptions& options) {
  std::string out;
  if (!options.node_port_ips) return out;
  for (const IpAddress& ip : *options.node_port_ips) {
    if (ip.family() == options.family && !ip.is_loopback()) {
      NftRecord(out, NftSet::nodeport_ips, options.family).address(ip);
    }
  }
  return sorted_records(out, options.family);
}

}  // namespace keelson::proxy
