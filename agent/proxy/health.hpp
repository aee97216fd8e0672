// The proxy's health, as kube-proxy's healthz and its health check node ports tell it. Pure.
// After k8s.io/kubernetes pkg/proxy/healthcheck/proxy_health.go and service_health.go.
#pragma once

#include <string>
#include <vector>

#include "base/chrono.hpp"
#include "kube/node.hpp"
#include "proxy/health_ports.hpp"
#include "proxy/proxier.hpp"

namespace keelson::agent {

struct FamilyHealth {
  proxy::Family family = proxy::Family::ipv4;
  bool healthy = true;
  SystemTime last_updated;  // now, where healthy; else the last sync that succeeded
};

// A family is unhealthy while a change waits longer than the proxy's patience.
[[nodiscard]] std::vector<FamilyHealth> family_health(const proxy::Proxier& proxier, SystemTime now, SteadyTime steady);
[[nodiscard]] bool is_healthy(const std::vector<FamilyHealth>& families);

// Whether load balancers may choose the node: it exists, is not being deleted, and the cluster autoscaler will not
// remove it. `node` null: there is none.
[[nodiscard]] bool is_eligible(const kube::Node* node);

struct HealthAnswer {
  int status = 200;
  std::string body;  // JSON
};
// For /healthz, with `eligible`, and for /livez, without.
[[nodiscard]] HealthAnswer health_answer(const std::vector<FamilyHealth>& families, std::optional<bool> eligible,
                                         SystemTime now);
// For a health check node port of the Service "namespace/name".
[[nodiscard]] HealthAnswer service_health_answer(const std::string& service, std::size_t local_endpoints,
                                                 bool proxy_healthy);

}  // namespace keelson::agent
