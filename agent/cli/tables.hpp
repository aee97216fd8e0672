// The tables of `get` for all but pods, and the kinds it knows. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "agent/cli/table.hpp"

namespace keelson::agent {

// What a kind's name means: "po", "Pods" -> "pods". Nothing for an unknown one. Of: pods, services, endpointslices,
// deployments, replicasets, statefulsets, daemonsets, jobs, workloads (the last six together), problems.
[[nodiscard]] std::optional<std::string> canonical_kind(const std::string& name);
// "Deployment" for "deployments"; empty for "workloads".
[[nodiscard]] std::string workload_kind(const std::string& canonical);

// Each: the text for the items given, header included.
[[nodiscard]] std::string service_table(const nlohmann::json& services, bool with_namespace, bool wide, SystemTime now);
[[nodiscard]] std::string slice_table(const nlohmann::json& slices, bool with_namespace, SystemTime now);
[[nodiscard]] std::string workload_table(const nlohmann::json& workloads, bool with_namespace);

// "file: object: message" each, two spaces in, under a title; empty when there is none. Warnings are left out unless
// asked for.
[[nodiscard]] std::string problem_lines(const nlohmann::json& problems, bool with_warnings);

}  // namespace keelson::agent
