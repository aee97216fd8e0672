// The health check node ports that load balancers ask which nodes to send to, and how many endpoints of its own this
// node has behind each: what k8s.io/kubernetes pkg/proxy/healthcheck/service_health.go serves. Pure; the agent has the
// servers.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "proxy/model.hpp"

namespace keelson::proxy {

struct HealthPort {
  std::uint16_t port = 0;
  std::size_t local_endpoints = 0;  // pods that are ready and on this node, whatever number of families they have
  bool operator==(const HealthPort&) const = default;
};
using HealthPorts = std::map<std::string, HealthPort>;  // by "namespace/name"

// Distinct addresses of ready local endpoints of the Service, in the family that has the most.
[[nodiscard]] std::size_t ready_local_endpoints(const ServiceEntry& service);

// Brings `ports` up to date with the model for the Services of `keys`. Returns whether anything is other than before.
bool update_health_ports(const Model& model, const std::vector<std::string>& keys, HealthPorts& ports);

}  // namespace keelson::proxy
