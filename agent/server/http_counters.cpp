#include "agent/server/http_counters.hpp"

#include <algorithm>
#include <iterator>

namespace keelson::agent {
namespace {

constexpr std::string_view kKinds[] = {
    "attach",         "checkpoint",       "configz",      "containerLogs", "debug",       "exec",
    "healthz",        "logs",             "metrics",      "metrics/cadvisor", "metrics/probes",
    "metrics/resource", "metrics/slis",   "pods",         "portForward",   "run",         "runningpods",
    "stats",
};
constexpr std::string_view kLongRunning[] = {"exec", "attach", "portForward", "debug"};

template <std::size_t N>
bool contains(const std::string_view (&list)[N], std::string_view what) {
  return std::find(std::begin(list), std::end(list), what) != std::end(list);
}

}  // namespace

std::string path_kind(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  auto end = path.find('/');
  if (end != std::string_view::npos && path.substr(0, end) == "metrics") end = path.find('/', end + 1);
  const auto kind = path.substr(0, end);
  return contains(kKinds, kind) ? std::string(kind) : "other";
}

bool is_long_running(std::string_view kind) { return contains(kLongRunning, kind); }

}  // namespace keelson::agent
