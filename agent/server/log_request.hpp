// A request for a container's log, read and checked; and which of the container's instances it is about. Pure.
// After upstream's pkg/kubelet/server/server.go getContainerLogs and kubelet_pods.go validateContainerLogStatus.
#pragma once

#include "agent/server/http.hpp"
#include "agent/server/log_format.hpp"
#include "kube/pod.hpp"

namespace keelson::agent {

struct LogRequest {
  LogSelection selection;
  bool follow = false;
  bool previous = false;
};

struct LogRequestError {
  int status = 400;  // 400: cannot be read; 422: not a sensible value
  std::string message;
};

// Exactly one of the two.
struct ParsedLogRequest {
  std::optional<LogRequest> request;
  LogRequestError error;
};
[[nodiscard]] ParsedLogRequest parse_log_request(const HttpRequest& request, SystemTime now);

// The ID of the container instance whose log to show: the present one, or with `previous` the one before. Errors say
// why there is none, in upstream's words.
[[nodiscard]] Result<std::string> choose_log_instance(const kube::Pod& pod, const kube::PodStatus& status,
                                                      const std::string& container, bool previous);

// The status of a container of any kind, or null.
[[nodiscard]] const kube::ContainerStatus* find_container_status(const kube::PodStatus& status, std::string_view name);
// "containerd://abc" -> "abc".
[[nodiscard]] std::string bare_container_id(std::string_view id);
// Whether the instance with that ID runs.
[[nodiscard]] bool instance_runs(const kube::PodStatus& status, std::string_view container, std::string_view id);

}  // namespace keelson::agent
