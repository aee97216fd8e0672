// Short ways to make Services and EndpointSlices for tests, and to compile them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "kube/endpoint_slice.hpp"
#include "kube/service.hpp"
#include "proxy/compile.hpp"
#include "proxy/model_input.hpp"

namespace keelson::proxy::test {

inline constexpr const char* kNode = "node-a";

inline kube::Service service(const std::string& ns, const std::string& name, const std::string& ip,
                             std::vector<kube::ServicePort> ports) {
  kube::Service s;
  s.metadata.ns = ns;
  s.metadata.name = name;
  s.spec.type = "ClusterIP";
  s.spec.cluster_ip = ip;
  s.spec.cluster_ips = {ip};
  s.spec.ports = std::move(ports);
  return s;
}

inline kube::ServicePort port(const std::string& name, int number, const std::string& protocol = "TCP",
                              int node_port = 0) {
  kube::ServicePort p;
  p.name = name;
  p.port = number;
  p.protocol = protocol;
  p.node_port = node_port;
  return p;
}

inline kube::Endpoint endpoint(const std::string& ip, const std::string& node = "node-b") {
  kube::Endpoint e;
  e.addresses = {ip};
  e.node_name = node;
  return e;
}

inline kube::EndpointPort slice_port(const std::string& name, int number, const std::string& protocol = "TCP") {
  kube::EndpointPort p;
  p.name = name;
  p.port = number;
  p.protocol = protocol;
  return p;
}

inline kube::EndpointSlice slice(const std::string& ns, const std::string& service_name,
                                 std::vector<kube::Endpoint> endpoints, std::vector<kube::EndpointPort> ports,
                                 const std::string& suffix = "x") {
  kube::EndpointSlice s;
  s.metadata.ns = ns;
  s.metadata.name = service_name + '-' + suffix;
  s.metadata.labels[kube::EndpointSlice::kServiceNameLabel] = service_name;
  const bool v6 = !endpoints.empty() && endpoints.front().addresses.front().find(':') != std::string::npos;
  s.address_type = v6 ? "IPv6" : "IPv4";
  s.endpoints = std::move(endpoints);
  s.ports = std::move(ports);
  return s;
}

inline void put(Model& model, const kube::Service& s) {
  ServiceInput input = read_service(s, model.names());
  model.apply_service(kube::object_key(s.metadata), std::move(input.spec), std::move(input.ruleless));
}

inline void put(Model& model, const kube::EndpointSlice& s) {
  SliceInput input = read_endpoint_slice(s, kNode, model.names());
  if (input.slice) {
    model.apply_endpoint_slice(kube::object_key(s.metadata), input.service, std::move(*input.slice));
  } else {
    model.remove_endpoint_slice(kube::object_key(s.metadata));
  }
}

inline CompileOptions options(Family family = Family::ipv4) {
  CompileOptions o;
  o.family = family;
  o.local = {LocalDetector::Mode::cidr, family == Family::ipv4 ? "10.0.0.0/8" : "fd00:10::/64"};
  o.random_fully = false;
  return o;
}

// Every rule of the Service as "TABLE -A CHAIN ..." lines, sorted by chain but in order within each.
inline std::vector<std::string> rules_of(const Model& model, const std::string& key, const CompileOptions& o) {
  std::vector<std::string> lines;
  const ServiceRules rules = compile_service(*model.find(key), model, o);
  for (const SharedRule& rule : rules.shared) {
    lines.push_back(std::string(is_nat(rule.chain) ? "nat" : "filter") + " -A " + chain_name(rule.chain) + ' ' +
                    rule.rule);
  }
  for (const ChainRules& chain : rules.chains) {
    for (std::size_t at = 0, end = 0; at < chain.rules.size(); at = end + 1) {
      end = chain.rules.find('\n', at);
      lines.push_back("nat " + chain.rules.substr(at, end - at));
    }
  }
  return lines;
}

}  // namespace keelson::proxy::test
