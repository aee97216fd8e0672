#include "proxy/model_input.hpp"

#include <algorithm>
#include <utility>

#include "kube/endpoint_slice.hpp"
#include "kube/service.hpp"

namespace keelson::proxy {
namespace {

constexpr const char* kProxyNameLabel = "service.kubernetes.io/service-proxy-name";
constexpr const char* kHeadlessLabel = "service.kubernetes.io/headless";
constexpr std::uint32_t kDefaultAffinitySeconds = 10800;

bool left_to_others(const kube::ObjectMeta& meta) {
  return meta.labels.contains(kProxyNameLabel) || meta.labels.contains(kHeadlessLabel);
}

// Names end in rule text: only what the API server would have let through may.
bool is_plain(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
  });
}

std::optional<Protocol> read_protocol(std::string_view text) {
  if (text.empty() || text == "TCP") return Protocol::tcp;
  if (text == "UDP") return Protocol::udp;
  if (text == "SCTP") return Protocol::sctp;
  return std::nullopt;
}

bool is_port(std::int64_t number) { return number >= 1 && number <= 65535; }

// Gathers problems of one object, each with the object's name before it.
class Problems {
 public:
  Problems(std::string_view kind, const kube::ObjectMeta& meta, std::vector<std::string>& out)
      : prefix_(std::string(kind) + ' ' + kube::object_key(meta) + ": "), out_(out) {}
  void add(const std::string& field, std::string_view reason) {
    out_.push_back(prefix_ + field + ": " + std::string(reason));
  }

 private:
  std::string prefix_;
  std::vector<std::string>& out_;
};

std::string indexed(std::string_view list, std::size_t i) { return std::string(list) + '[' + std::to_string(i) + ']'; }

void read_cluster_ips(const kube::ServiceSpec& in, ServiceSpec& out, Problems& problems) {
  std::vector<std::string> texts = in.cluster_ips;
  if (texts.empty()) texts.push_back(in.cluster_ip);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto ip = IpAddress::parse(texts[i]);
    if (!ip) {
      problems.add(in.cluster_ips.empty() ? "spec.clusterIP" : indexed("spec.clusterIPs", i), "not an IP address");
    } else if (IpAddress& slot = out.cluster_ips[index_of(ip->family())]; !slot.is_set()) {
      slot = *ip;
    }
  }
}

void read_ports(const kube::ServiceSpec& in, ServiceSpec& out, NamePool& names, Problems& problems) {
  for (std::size_t i = 0; i < in.ports.size(); ++i) {
    const kube::ServicePort& port = in.ports[i];
    const std::string field = indexed("spec.ports", i);
    const auto protocol = read_protocol(port.protocol);
    if (!protocol) {
      problems.add(field + ".protocol", "expected TCP, UDP or SCTP");
    } else if (!is_port(port.port)) {
      problems.add(field + ".port", "expected 1 to 65535");
    } else if (port.node_port != 0 && !is_port(port.node_port)) {
      problems.add(field + ".nodePort", "expected 1 to 65535");
    } else if (!is_plain(port.name)) {
      problems.add(field + ".name", "not a DNS label");
    } else {
      const ServicePort made{names.intern(port.name), static_cast<std::uint16_t>(port.port),
                             static_cast<std::uint16_t>(port.node_port), *protocol};
      const bool taken = std::any_of(out.ports.begin(), out.ports.end(), [&made](const ServicePort& other) {
        return other.name == made.name && other.protocol == made.protocol;
      });
      if (taken) {
        problems.add(field + ".name", "another port has this name and protocol");
      } else {
        out.ports.push_back(made);
      }
    }
  }
}

void read_source_ranges(const kube::ServiceSpec& in, ExternalAddresses& out, Problems& problems) {
  bool open[2] = {false, false};
  for (std::size_t i = 0; i < in.load_balancer_source_ranges.size(); ++i) {
    const auto range = IpPrefix::parse(in.load_balancer_source_ranges[i]);
    if (!range) {
      problems.add(indexed("spec.loadBalancerSourceRanges", i), "not a CIDR");
    } else if (range->bits == 0) {
      open[index_of(range->family())] = true;
    } else {
      out.source_ranges.push_back(*range);
    }
  }
  std::erase_if(out.source_ranges, [&open](const IpPrefix& r) { return open[index_of(r.family())]; });
}

void read_external(const kube::Service& in, ServiceSpec& out, Problems& problems) {
  ExternalAddresses external;
  for (std::size_t i = 0; i < in.spec.external_ips.size(); ++i) {
    if (const auto ip = IpAddress::parse(in.spec.external_ips[i])) {
      external.external_ips.push_back(*ip);
    } else {
      problems.add(indexed("spec.externalIPs", i), "not an IP address");
    }
  }
  const auto& ingress = in.status.load_balancer.ingress;
  for (std::size_t i = 0; i < ingress.size(); ++i) {
    if (ingress[i].ip.empty() || ingress[i].ip_mode.value_or("VIP") != "VIP") continue;
    if (const auto ip = IpAddress::parse(ingress[i].ip)) {
      external.vips.push_back(*ip);
    } else {
      problems.add(indexed("status.loadBalancer.ingress", i) + ".ip", "not an IP address");
    }
  }
  read_source_ranges(in.spec, external, problems);
  if (external != ExternalAddresses{}) out.external = std::make_unique<ExternalAddresses>(std::move(external));
}

std::uint32_t affinity_seconds(const kube::ServiceSpec& in) {
  if (in.session_affinity != "ClientIP") return 0;
  if (!in.session_affinity_config || !in.session_affinity_config->client_ip) return kDefaultAffinitySeconds;
  const auto seconds = in.session_affinity_config->client_ip->timeout_seconds.value_or(kDefaultAffinitySeconds);
  return seconds > 0 ? static_cast<std::uint32_t>(seconds) : kDefaultAffinitySeconds;
}

std::uint32_t created_seconds(const kube::ObjectMeta& meta) {
  if (!meta.creation_timestamp) return 0;
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(meta.creation_timestamp->time_since_epoch()).count());
}

using Why = RulelessService::Why;

// Nothing: it has rules.
std::optional<Why> why_ruleless(const kube::Service& service) {
  const kube::ServiceSpec& in = service.spec;
  const std::string& first = in.cluster_ips.empty() ? in.cluster_ip : in.cluster_ips.front();
  if (left_to_others(service.metadata)) return Why::other_proxy;
  if (in.type == "ExternalName") return Why::external_name;
  if (first == "None") return Why::headless;
  if (first.empty()) return Why::no_address;
  if (!is_plain(service.metadata.ns) || !is_plain(service.metadata.name)) return Why::unusable;
  return std::nullopt;
}

std::unique_ptr<RulelessService> read_ruleless(const kube::Service& service, Why why, NamePool& names) {
  auto out = std::make_unique<RulelessService>();
  out->why = why;
  out->cluster_ip = service.spec.cluster_ip;
  out->created = created_seconds(service.metadata);
  if (why == Why::external_name) out->text = service.spec.external_name;
  for (const char* label : {kHeadlessLabel, kProxyNameLabel}) {
    const auto it = service.metadata.labels.find(label);
    if (why != Why::other_proxy || it == service.metadata.labels.end()) continue;
    out->text = it->second.empty() ? it->first : it->first + '=' + it->second;
  }
  std::vector<std::string> ignored;  // of no use but to be shown
  Problems problems("Service", service.metadata, ignored);
  ServiceSpec spec;
  read_ports(service.spec, spec, names, problems);
  out->ports = std::move(spec.ports);
  return out;
}

// "" when the hints name no zone, else ",zone1,zone2,".
std::string zone_hint_text(const std::vector<std::string>& zones) {
  if (zones.empty()) return {};
  std::string text = ",";
  for (const std::string& zone : zones) text.append(zone).append(",");
  return text;
}

std::uint8_t endpoint_flags(const kube::Endpoint& endpoint, std::string_view node_name) {
  std::uint8_t flags = 0;
  if (endpoint.conditions.ready.value_or(true)) flags |= kReady;
  if (endpoint.conditions.serving.value_or(true)) flags |= kServing;
  if (endpoint.conditions.terminating.value_or(false)) flags |= kTerminating;
  if (endpoint.node_name && *endpoint.node_name == node_name && !node_name.empty()) flags |= kLocal;
  if (endpoint.hints && !endpoint.hints->for_nodes.empty()) {
    flags |= kHasNodeHints;
    const auto& nodes = endpoint.hints->for_nodes;
    if (std::find(nodes.begin(), nodes.end(), node_name) != nodes.end()) flags |= kHintedToNode;
  }
  return flags;
}

void read_slice_ports(const kube::EndpointSlice& in, Slice& out, NamePool& names, Problems& problems) {
  for (std::size_t i = 0; i < in.ports.size(); ++i) {
    const kube::EndpointPort& port = in.ports[i];
    if (!port.name || port.port.value_or(0) == 0) continue;  // as upstream: unusable, and no error
    const auto protocol = read_protocol(port.protocol.value_or("TCP"));
    if (!protocol) {
      problems.add(indexed("ports", i) + ".protocol", "expected TCP, UDP or SCTP");
    } else if (!is_port(*port.port)) {
      problems.add(indexed("ports", i) + ".port", "expected 1 to 65535");
    } else {
      out.ports.push_back({names.intern(*port.name), static_cast<std::uint16_t>(*port.port), *protocol});
    }
  }
}

}  // namespace

ServiceInput read_service(const kube::Service& service, NamePool& names) {
  ServiceInput result;
  const kube::ServiceSpec& in = service.spec;
  if (const auto why = why_ruleless(service)) {
    result.ruleless = read_ruleless(service, *why, names);
    if (*why == Why::unusable) {
      Problems("Service", service.metadata, result.problems).add("metadata", "name or namespace is not a DNS name");
    }
    return result;
  }
  Problems problems("Service", service.metadata, result.problems);
  auto spec = std::make_unique<ServiceSpec>();
  read_cluster_ips(in, *spec, problems);
  read_ports(in, *spec, names, problems);
  read_external(service, *spec, problems);
  spec->created = created_seconds(service.metadata);
  spec->affinity_seconds = affinity_seconds(in);
  const bool reachable_from_outside = in.type == "NodePort" || in.type == "LoadBalancer" || !in.external_ips.empty();
  spec->external_local = in.external_traffic_policy == "Local" && reachable_from_outside;
  spec->internal_local = in.internal_traffic_policy.value_or("Cluster") == "Local";
  if (in.type == "LoadBalancer" && spec->external_local && is_port(in.health_check_node_port)) {
    spec->health_check_node_port = static_cast<std::uint16_t>(in.health_check_node_port);
  }
  result.spec = std::move(spec);
  return result;
}

SliceInput read_endpoint_slice(const kube::EndpointSlice& in, std::string_view node_name, NamePool& names) {
  SliceInput result;
  const auto label = in.metadata.labels.find(kube::EndpointSlice::kServiceNameLabel);
  if (label == in.metadata.labels.end() || label->second.empty() || left_to_others(in.metadata)) return result;
  if (in.address_type != "IPv4" && in.address_type != "IPv6") return result;
  Problems problems("EndpointSlice", in.metadata, result.problems);
  result.service = kube::object_key(in.metadata.ns, label->second);
  Slice slice;
  slice.family = in.address_type == "IPv4" ? Family::ipv4 : Family::ipv6;
  read_slice_ports(in, slice, names, problems);
  for (std::size_t i = 0; i < in.endpoints.size(); ++i) {
    const kube::Endpoint& endpoint = in.endpoints[i];
    if (endpoint.addresses.empty()) continue;
    const auto ip = IpAddress::parse(endpoint.addresses.front());
    if (!ip || ip->family() != slice.family) {
      problems.add(indexed("endpoints", i) + ".addresses[0]", "not an " + in.address_type + " address");
      continue;
    }
    const NameId zones = endpoint.hints ? names.intern(zone_hint_text(endpoint.hints->for_zones)) : 0;
    slice.endpoints.push_back({*ip, zones, endpoint_flags(endpoint, node_name),
                               names.intern(endpoint.node_name.value_or("")),
                               names.intern(endpoint.zone.value_or(""))});
  }
  result.slice = std::move(slice);
  return result;
}

}  // namespace keelson::proxy
