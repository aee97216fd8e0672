#include "agent/standalone/endpoints.hpp"

#include <algorithm>
#include <map>

#include "agent/pod/status.hpp"
#include "base/strings.hpp"
#include "kube/labels.hpp"

namespace keelson::agent {
namespace {

// The number that a Service port leads to on this pod; nothing when the pod has no port of that name.
std::optional<std::int32_t> target_of(const kube::ServicePort& port, const kube::Pod& pod) {
  if (port.target_port.is_int()) return port.target_port.is_set() ? port.target_port.int_value() : port.port;
  for (const auto* list : {&pod.spec.containers, &pod.spec.init_containers}) {
    for (const auto& c : *list) {
      if (list == &pod.spec.init_containers && c.restart_policy != "Always") continue;  // sidecars only
      for (const auto& p : c.ports) {
        if (p.name == port.target_port.string_value() && p.protocol == port.protocol) return p.container_port;
      }
    }
  }
  return std::nullopt;
}

kube::Endpoint endpoint_of(const kube::Service& service, const ExistingPod& p, const std::string& ip,
                           const std::string& node_name) {
  const bool ready = is_ready(*p.status);
  kube::Endpoint out;
  out.addresses = {ip};
  out.conditions.serving = ready;
  out.conditions.terminating = p.stopping;
  out.conditions.ready = service.spec.publish_not_ready_addresses || (ready && !p.stopping);
  out.node_name = node_name;
  if (!p.pod->spec.hostname.empty() && p.pod->spec.subdomain == service.metadata.name)
    out.hostname = p.pod->spec.hostname;
  auto& ref = out.target_ref.emplace();
  ref.kind = kube::Pod::kKind;
  ref.ns = p.pod->metadata.ns;
  ref.name = p.pod->metadata.name;
  ref.uid = p.pod->metadata.uid;
  return out;
}

bool selects(const kube::Service& service, const ExistingPod& p) {
  return p.status && p.pod->metadata.ns == service.metadata.ns && !is_terminal_phase(p.status->phase) &&
         kube::matches(service.spec.selector, p.pod->metadata.labels);
}

// Whether the Service has addresses of that family; a headless one that does not say has those of its pods.
bool has_family(const kube::Service& service, bool ipv6) {
  const auto& families = service.spec.ip_families;
  if (!families.empty()) return std::find(families.begin(), families.end(), ipv6 ? "IPv6" : "IPv4") != families.end();
  if (service.spec.cluster_ip.empty() || service.spec.cluster_ip == "None") return true;
  return ipv6 == (service.spec.cluster_ip.find(':') != std::string::npos);
}

// Endpoints whose ports have the same numbers share a slice.
struct SliceKey {
  bool ipv6 = false;
  std::vector<std::optional<std::int32_t>> targets;  // as the Service's ports
  auto operator<=>(const SliceKey&) const = default;
};

std::vector<kube::EndpointPort> slice_ports(const kube::Service& service, const SliceKey& key) {
  std::vector<kube::EndpointPort> out;
  for (std::size_t i = 0; i < key.targets.size(); ++i) {
    if (!key.targets[i]) continue;
    const auto& port = service.spec.ports[i];
    kube::EndpointPort p;
    p.name = port.name;
    p.protocol = port.protocol;
    p.port = key.targets[i];
    p.app_protocol = port.app_protocol;
    out.push_back(std::move(p));
  }
  return out;
}

std::shared_ptr<kube::EndpointSlice> new_slice(const kube::Service& service, const SliceKey& key) {
  auto slice = std::make_shared<kube::EndpointSlice>();
  std::string identity = key.ipv6 ? "6" : "4";
  for (const auto& t : key.targets) identity += "," + (t ? std::to_string(*t) : "-");
  slice->metadata.ns = service.metadata.ns;
  slice->metadata.name = service.metadata.name + "-" + to_hex(sha256(identity)).substr(0, 5);
  slice->metadata.labels = service.metadata.labels;
  slice->metadata.labels[kube::EndpointSlice::kServiceNameLabel] = service.metadata.name;
  slice->metadata.labels["endpointslice.kubernetes.io/managed-by"] = "keelson.io";
  if (service.spec.cluster_ip == "None") slice->metadata.labels["service.kubernetes.io/headless"] = "";
  slice->address_type = key.ipv6 ? "IPv6" : "IPv4";
  slice->ports = slice_ports(service, key);
  return slice;
}

void add_slices(const kube::Service& service, const std::vector<ExistingPod>& pods, const std::string& node_name,
                std::vector<std::shared_ptr<const kube::EndpointSlice>>& out) {
  std::map<SliceKey, std::shared_ptr<kube::EndpointSlice>> slices;
  for (const auto& p : pods) {
    if (!selects(service, p)) continue;
    SliceKey key;
    for (const auto& port : service.spec.ports) key.targets.push_back(target_of(port, *p.pod));
    for (const auto& entry : p.status->pod_ips) {
      key.ipv6 = entry.ip.find(':') != std::string::npos;
      if (!has_family(service, key.ipv6)) continue;
      auto& slice = slices[key];
      if (!slice) slice = new_slice(service, key);
      slice->endpoints.push_back(endpoint_of(service, p, entry.ip, node_name));
    }
  }
  for (auto& [key, slice] : slices) {
    std::sort(slice->endpoints.begin(), slice->endpoints.end(),
              [](const auto& a, const auto& b) { return a.addresses < b.addresses; });
    out.push_back(std::move(slice));
  }
}

}  // namespace

std::vector<std::shared_ptr<const kube::EndpointSlice>> make_slices(
    const std::vector<std::shared_ptr<const kube::Service>>& services, const std::vector<ExistingPod>& pods,
    const kube::ObjectMap<kube::EndpointSlice>& given, const std::string& node_name) {
  std::vector<std::shared_ptr<const kube::EndpointSlice>> out;
  for (const auto& [key, slice] : given) out.push_back(slice);
  for (const auto& service : services) {
    if (service->spec.type != "ExternalName" && !service->spec.selector.empty()) {
      add_slices(*service, pods, node_name, out);
    }
  }
  return out;
}

}  // namespace keelson::agent
