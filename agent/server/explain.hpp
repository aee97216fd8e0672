// What `keelson explain` is told, gathered into one document. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/server/data.hpp"

namespace keelson::agent {

// Of the pod, workload or file of that name ("web", "default/web", "web.yaml"; `ns` may be empty: any):
// {"subject", "pods": [{"pod": Pod, "entries": [...], "waits": [...], "underWay": [...]}...], "retired": [...] (journals of pods that are
//  gone), "workloads": [...], "problems": [...], "similar": [names like it, when nothing else was found]}
[[nodiscard]] nlohmann::json explain_json(ServerData& data, const std::string& ns, const std::string& name);

// Number of single-character edits between two names, for "did you mean".
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace keelson::agent
