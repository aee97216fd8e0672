// The columns of `get pods`, from a pod as the API shows it. After upstream's pkg/printers/internalversion/printers.go
// printPod. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "agent/cli/table.hpp"

namespace keelson::agent {

struct PodColumns {
  int ready = 0, total = 0;
  std::string status;  // Running, Init:0/1, CrashLoopBackOff, Completed, Terminating, ...
  int restarts = 0;
  std::optional<SystemTime> last_restart;
};
[[nodiscard]] PodColumns pod_columns(const nlohmann::json& pod);

[[nodiscard]] Table::Row pod_header(bool with_namespace, bool wide);
[[nodiscard]] Table::Row pod_row(const nlohmann::json& pod, bool with_namespace, bool wide, SystemTime now);

// The time at a key of an object, or nothing.
[[nodiscard]] std::optional<SystemTime> json_time(const nlohmann::json& object, const char* key);
// "5m", or "<unknown>" without a time.
[[nodiscard]] std::string age(std::optional<SystemTime> since, SystemTime now);
// The object at a key, or an empty object.
[[nodiscard]] const nlohmann::json& json_object(const nlohmann::json& object, const char* key);

}  // namespace keelson::agent
