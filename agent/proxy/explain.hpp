// What `keelson explain service` and `keelson status` are told of the proxy. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "proxy/proxier.hpp"

namespace keelson::agent {

// Of the Services of that name; `ns` empty: of every namespace. `proxier` null: the proxy is switched off here.
//   {"subject", "proxy": {"enabled", "synced", "mode", "localPods", "errors": [...]}, "services": [{"key", "hasRules",
//    "slices", "affinitySeconds", "healthCheckNodePort", "localEndpoints", "ports": [{"family", "name", "port",
//    "protocol", "usesCluster", "usesLocal", "otherPorts": [...],
//    "frontends": [{"kind", "addresses", "port", "localhost", "policy", "outcome", "masquerade", "sourceRanges"}...],
//    "endpoints": [{"address", "node", "zone", "here", "ready", "serving", "terminating", "cluster",
//    "local"}...]}...]}...]}
// "outcome" is balanced, rejected or dropped; "cluster" and "local" are empty where the endpoint takes packets under
// that policy, else the reason why not.
[[nodiscard]] nlohmann::json explain_service_json(const proxy::Proxier* proxier, const std::string& ns,
                                                  const std::string& name);

// The proxy's part of `keelson status`; null: it is switched off.
[[nodiscard]] nlohmann::json proxy_status_json(const proxy::Proxier* proxier);

}  // namespace keelson::agent
