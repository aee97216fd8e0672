// What `keelson explain service` and `keelson status` are told of the proxy. Pure but for explain_service_now().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "base/result.hpp"
#include "proxy/proxier.hpp"
#include "proxy/sysctls.hpp"

namespace keelson::agent {

// Of the Services of that name; `ns` empty: of every namespace. `proxier` null: the proxy is switched off here.
//   {"subject", "proxy": {"enabled", "synced", "mode", "localPods", "errors": [...]}, "services": [{"key", "hasRules",
//    "slices", "affinitySeconds", "healthCheckNodePort", "localEndpoints", "ports": [{"family", "name", "port",
//    "protocol", "usesCluster", "usesLocal", "otherPorts": [...],
//    "frontends": [{"kind", "addresses", "port", "localhost", "policy", "outcome", "masquerade", "sourceRanges"}...],
//    "endpoints": [{"address", "node", "zone", "here", "ready", "serving", "terminating", "cluster",
//    "local"}...]}...]}...]}
// A Service without rules has "hasRules" false, "why" (headless, externalName, otherProxy, noAddress, unusable; empty:
// there is no such Service, only slices of it), "text" (proxy::RulelessService), and, where `headless` has it,
// "endpoints": [{"address", "ports", "node", "here", "ready", "serving", "terminating"}...] or "endpointsError".
// "conntrack": {"count", "max"} of the kernel's connection tracking, where `fill` has it.
// "outcome" is balanced, rejected or dropped; "cluster" and "local" are empty where the endpoint takes packets under
// that policy, else the reason why not.
struct ExplainFacts {
  // Of headless Services, by "namespace/name": nobody else needs their endpoints, so the proxier has none.
  std::map<std::string, Result<std::vector<std::shared_ptr<const kube::EndpointSlice>>>> headless;
  std::optional<proxy::ConntrackFill> fill;
};
[[nodiscard]] nlohmann::json explain_service_json(const proxy::Proxier* proxier, const std::string& ns,
                                                  const std::string& name, const ExplainFacts& facts = {});

// The same, with the facts asked for: each headless Service's slices from `slices_of`, the rest from the kernel.
using SlicesOf = std::function<Awaitable<Result<std::vector<std::shared_ptr<const kube::EndpointSlice>>>>(
    std::string ns, std::string service)>;
Awaitable<nlohmann::json> explain_service_now(const proxy::Proxier* proxier, std::string ns, std::string name,
                                              SlicesOf slices_of);

// The proxy's part of `keelson status`; null: it is switched off.
[[nodiscard]] nlohmann::json proxy_status_json(const proxy::Proxier* proxier);

}  // namespace keelson::agent
