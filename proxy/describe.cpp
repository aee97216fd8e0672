#include "proxy/describe.hpp"

#include <algorithm>
#include <string>
#include <tuple>

#include "base/strings.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/service.hpp"

namespace keelson::proxy {
namespace {

std::string protocol_name(Protocol protocol) {
  switch (protocol) {
    case Protocol::udp:
      return "UDP";
    case Protocol::sctp:
      return "SCTP";
    case Protocol::tcp:
      break;
  }
  return "TCP";
}

void set_key(kube::ObjectMeta& meta, std::string_view key) {
  const auto slash = key.find('/');
  meta.ns = key.substr(0, slash);
  meta.name = key.substr(slash + 1);
}

void describe_external(const ExternalAddresses& external, kube::Service& out) {
  for (const IpAddress& ip : external.external_ips) out.spec.external_ips.push_back(ip.to_string());
  for (const IpAddress& ip : external.vips) out.status.load_balancer.ingress.push_back({ip.to_string(), {}, "VIP"});
  for (const IpPrefix& range : external.source_ranges) {
    out.spec.load_balancer_source_ranges.push_back(range.to_string());
  }
}

void set_created(kube::ObjectMeta& meta, std::uint32_t seconds) {
  if (seconds != 0) meta.creation_timestamp = kube::Time(std::chrono::seconds(seconds));
}

void describe_ports(const std::vector<ServicePort>& ports, const NamePool& names, kube::ServiceSpec& out) {
  for (const ServicePort& port : ports) {
    kube::ServicePort& made = out.ports.emplace_back();
    made.name = names.text(port.name);
    made.protocol = protocol_name(port.protocol);
    made.port = port.port;
    made.node_port = port.node_port;
    if (port.node_port != 0) out.type = "NodePort";
  }
}

std::shared_ptr<const kube::Service> describe(std::string_view key, const RulelessService& in, const NamePool& names) {
  auto out = std::make_shared<kube::Service>();
  set_key(out->metadata, key);
  set_created(out->metadata, in.created);
  out->spec.cluster_ip = in.cluster_ip;
  if (!in.cluster_ip.empty()) out->spec.cluster_ips = {in.cluster_ip};
  out->spec.type = "ClusterIP";
  describe_ports(in.ports, names, out->spec);
  if (in.why == RulelessService::Why::external_name) {
    out->spec.type = "ExternalName";
    out->spec.external_name = in.text;
  }
  return out;
}

std::shared_ptr<const kube::Service> describe(const ServiceEntry& entry, const NamePool& names) {
  auto out = std::make_shared<kube::Service>();
  set_key(out->metadata, entry.key);
  set_created(out->metadata, entry.spec->created);
  const ServiceSpec& in = *entry.spec;
  kube::ServiceSpec& spec = out->spec;
  for (const IpAddress& ip : in.cluster_ips) {
    if (!ip.is_set()) continue;
    spec.cluster_ips.push_back(ip.to_string());
    spec.ip_families.emplace_back(ip.family() == Family::ipv4 ? "IPv4" : "IPv6");
  }
  if (!spec.cluster_ips.empty()) spec.cluster_ip = spec.cluster_ips.front();
  spec.type = "ClusterIP";
  describe_ports(in.ports, names, spec);
  if (in.external) {
    describe_external(*in.external, *out);
    if (!in.external->vips.empty()) spec.type = "LoadBalancer";
  }
  spec.session_affinity = in.affinity_seconds == 0 ? "None" : "ClientIP";
  if (in.affinity_seconds != 0) {
    spec.session_affinity_config.emplace().client_ip.emplace().timeout_seconds =
        static_cast<std::int32_t>(in.affinity_seconds);
  }
  spec.health_check_node_port = in.health_check_node_port;
  if (in.external_local) spec.external_traffic_policy = "Local";
  spec.internal_traffic_policy = in.internal_local ? "Local" : "Cluster";
  return out;
}

kube::Endpoint describe(const SliceEndpoint& in, const NamePool& names, std::string_view node_name) {
  kube::Endpoint out;
  out.addresses = {in.ip.to_string()};
  out.conditions.ready = (in.flags & kReady) != 0;
  out.conditions.serving = (in.flags & kServing) != 0;
  out.conditions.terminating = (in.flags & kTerminating) != 0;
  if ((in.flags & kLocal) != 0) out.node_name = node_name;
  if ((in.flags & kHintedToNode) != 0) out.hints.emplace().for_nodes = {std::string(node_name)};
  for (const std::string& zone : split(names.text(in.zone_hints), ',')) {
    if (zone.empty()) continue;
    if (!out.hints) out.hints.emplace();
    out.hints->for_zones.push_back(zone);
  }
  return out;
}

std::shared_ptr<const kube::EndpointSlice> describe(const Slice& in, const ServiceEntry& of, const NamePool& names,
                                                    std::string_view node_name) {
  auto out = std::make_shared<kube::EndpointSlice>();
  set_key(out->metadata, *in.id);
  out->metadata.labels[kube::EndpointSlice::kServiceNameLabel] = of.key.substr(of.key.find('/') + 1);
  out->address_type = in.family == Family::ipv4 ? "IPv4" : "IPv6";
  for (const SlicePort& port : in.ports) {
    kube::EndpointPort& made = out->ports.emplace_back();
    made.name = names.text(port.name);
    made.protocol = protocol_name(port.protocol);
    made.port = port.port;
  }
  for (const SliceEndpoint& endpoint : in.endpoints) out->endpoints.push_back(describe(endpoint, names, node_name));
  return out;
}

template <class T>
void sort_by_key(std::vector<std::shared_ptr<const T>>& list) {
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return std::tie(a->metadata.ns, a->metadata.name) < std::tie(b->metadata.ns, b->metadata.name);
  });
}

}  // namespace

std::vector<std::shared_ptr<const kube::Service>> describe_services(const Model& model) {
  std::vector<std::shared_ptr<const kube::Service>> out;
  for (const auto& [key, entry] : model.services()) {
    if (entry->spec) out.push_back(describe(*entry, model.names()));
  }
  for (const auto& [key, service] : model.ruleless()) out.push_back(describe(key, *service, model.names()));
  sort_by_key(out);
  return out;
}

std::vector<std::shared_ptr<const kube::EndpointSlice>> describe_slices(const Model& model,
                                                                        std::string_view node_name) {
  std::vector<std::shared_ptr<const kube::EndpointSlice>> out;
  for (const auto& [key, entry] : model.services()) {
    for (const Slice& slice : entry->slices) out.push_back(describe(slice, *entry, model.names(), node_name));
  }
  sort_by_key(out);
  return out;
}

}  // namespace keelson::proxy
