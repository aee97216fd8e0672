// Services and EndpointSlices.
#include <algorithm>

#include "kube/endpoint_slice.hpp"
#include "kube/service.hpp"
#include "kube/validate.hpp"
#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

void check_number(std::int32_t port, const FieldPath& at, FieldErrors& errors) {
  if (std::string why = check_port_number(port); !why.empty()) errors.invalid(at, port, why);
}

void check_port(const ServicePort& port, bool needs_name, const FieldPath& at, FieldErrors& errors) {
  if (needs_name || !port.name.empty()) check_required(port.name, check_dns_label, at / "name", errors);
  check_number(port.port, at / "port", errors);
  errors.one_of(at / "protocol", port.protocol, {"TCP", "UDP", "SCTP"}, true);
  if (port.target_port.is_int()) {
    check_number(port.target_port.int_value(), at / "targetPort", errors);
  } else {
    check_required(port.target_port.string_value(), check_port_name, at / "targetPort", errors);
  }
  if (port.node_port != 0) check_number(port.node_port, at / "nodePort", errors);
}

void check_ports(const ServiceSpec& spec, const FieldPath& at, FieldErrors& errors) {
  NameSet names;
  NameSet numbers;
  NameSet node_ports;
  bool outside = spec.type == "NodePort" || spec.type == "LoadBalancer";
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    const ServicePort& port = spec.ports[i];
    check_port(port, spec.ports.size() > 1, at[i], errors);
    if (!port.name.empty() && !names.insert(port.name).second) errors.duplicate(at[i] / "name", port.name);
    std::string number = port.protocol + ' ' + std::to_string(port.port);
    if (!numbers.insert(number).second) errors.duplicate(at[i], number);
    if (port.node_port == 0) continue;
    if (!outside) errors.forbidden(at[i] / "nodePort", "may not be used when `type` is '" + spec.type + "'");
    std::string node_port = port.protocol + ' ' + std::to_string(port.node_port);
    if (!node_ports.insert(node_port).second) errors.duplicate(at[i] / "nodePort", node_port);
  }
}

void check_addresses(const ServiceSpec& spec, const FieldPath& at, FieldErrors& errors) {
  bool headless = spec.cluster_ip == "None";
  if (headless && (spec.type == "NodePort" || spec.type == "LoadBalancer")) {
    errors.invalid(at / "clusterIP", spec.cluster_ip, "may not be set to 'None' for " + spec.type + " services");
  }
  if (!spec.cluster_ip.empty() && !headless) {
    errors.check(at / "clusterIP", spec.cluster_ip, check_ip(spec.cluster_ip));
  }
  if (!spec.cluster_ips.empty() && spec.cluster_ips[0] != spec.cluster_ip) {
    errors.invalid(at / "clusterIPs", spec.cluster_ips[0], "first value must match `clusterIP`");
  }
  for (std::size_t i = 0; i < spec.external_ips.size(); ++i) {
    errors.check((at / "externalIPs")[i], spec.external_ips[i], check_ip(spec.external_ips[i]));
  }
}

// (pkg/apis/core/validation ValidateServiceClusterIPsRelatedFields)
void check_families(const ServiceSpec& spec, const FieldPath& at, FieldErrors& errors) {
  const std::string policy = spec.ip_family_policy.value_or("");
  errors.one_of(at / "ipFamilyPolicy", policy, {"PreferDualStack", "RequireDualStack", "SingleStack"});
  NameSet families;
  for (std::size_t i = 0; i < spec.ip_families.size(); ++i) {
    const FieldPath here = (at / "ipFamilies")[i];
    errors.one_of(here, spec.ip_families[i], {"IPv4", "IPv6"}, true);
    if (!families.insert(spec.ip_families[i]).second) errors.duplicate(here, spec.ip_families[i]);
  }
  NameSet used;
  for (std::size_t i = 0; i < spec.cluster_ips.size() && spec.cluster_ip != "None"; ++i) {
    const std::string& ip = spec.cluster_ips[i];
    const FieldPath here = (at / "clusterIPs")[i];
    errors.check(here, ip, check_ip(ip));
    const std::string family = ip.find(':') == std::string::npos ? "IPv4" : "IPv6";
    if (!used.insert(family).second) errors.invalid(here, ip, "may have only one address of each family");
    if (i < spec.ip_families.size() && spec.ip_families[i] != family) {
      errors.invalid(here, ip, "expected an " + spec.ip_families[i] + " value as indicated by `ipFamilies`");
    }
  }
  const bool dual = policy == "PreferDualStack" || policy == "RequireDualStack";
  if (!dual && (spec.ip_families.size() > 1 || spec.cluster_ips.size() > 1)) {
    errors.invalid(
        at / "ipFamilyPolicy", policy,
        "must be 'RequireDualStack' or 'PreferDualStack' when there are several `ipFamilies` or `clusterIPs`");
  }
}

void check_affinity(const ServiceSpec& spec, const FieldPath& at, FieldErrors& errors) {
  constexpr std::int32_t kMaxSeconds = 86400;
  errors.one_of(at / "sessionAffinity", spec.session_affinity, {"ClientIP", "None"}, true);
  if (!spec.session_affinity_config || !spec.session_affinity_config->client_ip) return;
  auto seconds = spec.session_affinity_config->client_ip->timeout_seconds;
  if (seconds && (*seconds <= 0 || *seconds > kMaxSeconds)) {
    errors.invalid(at / "sessionAffinityConfig" / "clientIP" / "timeoutSeconds", *seconds,
                   "must be greater than 0 and not more than 86400");
  }
}

void check_endpoint(const Endpoint& endpoint, const std::string& type, const FieldPath& at, FieldErrors& errors) {
  if (endpoint.addresses.empty()) errors.required(at / "addresses", "must contain at least 1 address");
  for (std::size_t i = 0; i < endpoint.addresses.size(); ++i) {
    const std::string& address = endpoint.addresses[i];
    std::string why = type == "FQDN" ? check_dns_subdomain(address) : check_ip(address);
    bool six = address.find(':') != std::string::npos;
    if (why.empty() && type != "FQDN" && six != (type == "IPv6")) why = "must be an " + type + " address";
    errors.check((at / "addresses")[i], address, why);
  }
}

}  // namespace

std::vector<FieldError> validate(const Service& object) {
  FieldErrors errors;
  FieldPath at("spec");
  const ServiceSpec& spec = object.spec;
  check_metadata(object.metadata, true, check_dns1035_label, errors);
  errors.one_of(at / "type", spec.type, {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"}, true);
  if (spec.type == "ExternalName") {
    check_required(spec.external_name, check_dns_subdomain, at / "externalName", errors);
  } else if (spec.ports.empty() && spec.cluster_ip != "None") {
    errors.required(at / "ports");
  }
  check_ports(spec, at / "ports", errors);
  check_labels(spec.selector, at / "selector", errors);
  check_addresses(spec, at, errors);
  check_families(spec, at, errors);
  check_affinity(spec, at, errors);
  errors.one_of(at / "externalTrafficPolicy", spec.external_traffic_policy, {"Cluster", "Local"});
  errors.one_of(at / "internalTrafficPolicy", spec.internal_traffic_policy.value_or(""), {"Cluster", "Local"});
  return errors.take();
}

std::vector<FieldError> validate(const EndpointSlice& object) {
  FieldErrors errors;
  check_metadata(object.metadata, true, check_dns_subdomain, errors);
  errors.one_of(FieldPath("addressType"), object.address_type, {"FQDN", "IPv4", "IPv6"}, true);
  for (std::size_t i = 0; i < object.endpoints.size(); ++i) {
    check_endpoint(object.endpoints[i], object.address_type, FieldPath("endpoints")[i], errors);
  }
  NameSet names;
  for (std::size_t i = 0; i < object.ports.size(); ++i) {
    const EndpointPort& port = object.ports[i];
    FieldPath here = FieldPath("ports")[i];
    std::string name = port.name.value_or("");
    if (!name.empty()) errors.check(here / "name", name, check_dns_label(name));
    if (!names.insert(name).second) errors.duplicate(here / "name", name);
    errors.one_of(here / "protocol", port.protocol.value_or("TCP"), {"TCP", "UDP", "SCTP"});
    if (port.port) check_number(*port.port, here / "port", errors);
  }
  return errors.take();
}

}  // namespace keelson::kube
