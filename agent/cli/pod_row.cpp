#include "agent/cli/pod_row.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "kube/time.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

void later(std::optional<SystemTime>& time, const std::optional<SystemTime>& other) {
  if (other && (!time || *other > *time)) time = other;
}

bool has_condition(const json& status, const char* type) {
  for (const auto& c : status.value("conditions", json::array())) {
    if (c.value("type", "") == type) return c.value("status", "") == "True";
  }
  return false;
}

// What an exit says of itself: its reason, or its signal or code.
std::string exit_text(const json& terminated) {
  const auto reason = terminated.value("reason", "");
  if (!reason.empty()) return reason;
  const int signal = terminated.value("signal", 0);
  return signal != 0 ? "Signal:" + std::to_string(signal)
                     : "ExitCode:" + std::to_string(terminated.value("exitCode", 0));
}

struct InitResult {
  bool initializing = false;
  int sidecar_restarts = 0;
  std::optional<SystemTime> last_sidecar_restart;
};

// The init containers, up to the first that is not done.
InitResult walk_init(const json& pod, const std::set<std::string>& sidecars, PodColumns& out) {
  InitResult result;
  const auto statuses = json_object(pod, "status").value("initContainerStatuses", json::array());
  const auto count = json_object(pod, "spec").value("initContainers", json::array()).size();
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    const auto& c = statuses[i];
    const auto& state = json_object(c, "state");
    const bool sidecar = sidecars.count(c.value("name", "")) > 0;
    const auto ended = json_time(json_object(json_object(c, "lastState"), "terminated"), "finishedAt");
    out.restarts += c.value("restartCount", 0);
    later(out.last_restart, ended);
    if (sidecar) {
      result.sidecar_restarts += c.value("restartCount", 0);
      later(result.last_sidecar_restart, ended);
    }
    const bool terminated = state.contains("terminated");
    if (terminated && state["terminated"].value("exitCode", 0) == 0) continue;
    if (sidecar && c.value("started", false)) {
      if (c.value("ready", false)) ++out.ready;
      continue;
    }
    const auto waiting = json_object(state, "waiting").value("reason", "");
    result.initializing = true;
    if (terminated) {
      out.status = "Init:" + exit_text(state["terminated"]);
    } else if (!waiting.empty() && waiting != "PodInitializing") {
      out.status = "Init:" + waiting;
    } else {
      out.status = "Init:" + std::to_string(i) + "/" + std::to_string(count);
    }
    break;
  }
  return result;
}

void walk_containers(const json& pod, PodColumns& out) {
  const auto& status = json_object(pod, "status");
  const auto statuses = status.value("containerStatuses", json::array());
  bool running = false;
  for (auto it = statuses.rbegin(); it != statuses.rend(); ++it) {
    const auto& state = json_object(*it, "state");
    out.restarts += it->value("restartCount", 0);
    later(out.last_restart, json_time(json_object(json_object(*it, "lastState"), "terminated"), "finishedAt"));
    const auto waiting = json_object(state, "waiting").value("reason", "");
    if (!waiting.empty()) {
      out.status = waiting;
    } else if (state.contains("terminated")) {
      out.status = exit_text(state["terminated"]);
    } else if (it->value("ready", false) && state.contains("running")) {
      running = true;
      ++out.ready;
    }
  }
  // One that still runs counts more than another's good end.
  if (out.status == "Completed" && running) out.status = has_condition(status, "Ready") ? "Running" : "NotReady";
}

std::string or_none(const std::string& text) { return text.empty() ? "<none>" : text; }

std::string readiness_gates(const json& pod) {
  const auto gates = json_object(pod, "spec").value("readinessGates", json::array());
  if (gates.empty()) return "<none>";
  const auto true_ones = std::count_if(gates.begin(), gates.end(), [&](const json& gate) {
    return has_condition(json_object(pod, "status"), gate.value("conditionType", "").c_str());
  });
  return std::to_string(true_ones) + "/" + std::to_string(gates.size());
}

}  // namespace

const json& json_object(const json& object, const char* key) {
  static const json kEmpty = json::object();
  const auto it = object.find(key);
  return it == object.end() || !it->is_object() ? kEmpty : *it;
}

std::optional<SystemTime> json_time(const json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_string()) return std::nullopt;
  const auto time = kube::parse_time(it->get_ref<const std::string&>());
  return time ? std::optional(*time) : std::nullopt;
}

std::string age(std::optional<SystemTime> since, SystemTime now) {
  return since ? human_duration(now - *since) : "<unknown>";
}

PodColumns pod_columns(const json& pod) {
  const auto& spec = json_object(pod, "spec");
  const auto& status = json_object(pod, "status");
  PodColumns out;
  out.total = static_cast<int>(spec.value("containers", json::array()).size());
  std::set<std::string> sidecars;
  for (const auto& c : spec.value("initContainers", json::array())) {
    if (c.value("restartPolicy", "") == "Always") sidecars.insert(c.value("name", ""));
  }
  out.total += static_cast<int>(sidecars.size());
  out.status = status.value("reason", "");
  if (out.status.empty()) out.status = status.value("phase", "Pending");
  const auto init = walk_init(pod, sidecars, out);
  if (!init.initializing || has_condition(status, "Initialized")) {
    out.restarts = init.sidecar_restarts;
    out.last_restart = init.last_sidecar_restart;
    walk_containers(pod, out);
  }
  const auto phase = status.value("phase", "");
  const bool over = phase == "Succeeded" || phase == "Failed";
  if (json_object(pod, "metadata").contains("deletionTimestamp") && !over) out.status = "Terminating";
  return out;
}

Table::Row pod_header(bool with_namespace, bool wide) {
  Table::Row row;
  if (with_namespace) row.push_back("NAMESPACE");
  for (const char* name : {"NAME", "READY", "STATUS", "RESTARTS", "AGE"}) row.push_back(name);
  if (wide) {
    for (const char* name : {"IP", "NODE", "NOMINATED NODE", "READINESS GATES"}) row.push_back(name);
  }
  return row;
}

Table::Row pod_row(const json& pod, bool with_namespace, bool wide, SystemTime now) {
  const auto& meta = json_object(pod, "metadata");
  const auto& status = json_object(pod, "status");
  const auto columns = pod_columns(pod);
  Table::Row row;
  if (with_namespace) row.push_back(meta.value("namespace", "default"));
  row.push_back(meta.value("name", ""));
  row.push_back(std::to_string(columns.ready) + "/" + std::to_string(columns.total));
  row.push_back(columns.status);
  auto restarts = std::to_string(columns.restarts);
  if (columns.restarts != 0 && columns.last_restart) restarts += " (" + age(columns.last_restart, now) + " ago)";
  row.push_back(std::move(restarts));
  auto since = json_time(meta, "creationTimestamp");
  if (!since) since = json_time(status, "startTime");
  row.push_back(age(since, now));
  if (wide) {
    row.push_back(or_none(status.value("podIP", "")));
    row.push_back(or_none(json_object(pod, "spec").value("nodeName", "")));
    row.push_back(or_none(status.value("nominatedNodeName", "")));
    row.push_back(readiness_gates(pod));
  }
  return row;
}

}  // namespace keelson::agent
