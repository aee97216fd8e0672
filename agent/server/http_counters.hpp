// How many requests came, by method and kind of path, for the metric kubelet_http_requests_total.
// After upstream's pkg/kubelet/server/server.go ServeHTTP, trimURLPath.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace keelson::agent {

// "/pods" -> "pods", "/metrics/cadvisor" -> "metrics/cadvisor", "/exec/default/web/app" -> "exec". Paths that the API
// does not have are "other": clients do not choose how many labels there are.
[[nodiscard]] std::string path_kind(std::string_view path);
// Whether such a request may stay open for long.
[[nodiscard]] bool is_long_running(std::string_view kind);

using HttpCounters = std::map<std::pair<std::string, std::string>, std::uint64_t>;  // {method, kind of path}

}  // namespace keelson::agent
