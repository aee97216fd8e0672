#include "agent/cli/explain_text.hpp"

#include <nlohmann/json.hpp>

#include "agent/cli/pod_row.hpp"
#include "agent/cli/tables.hpp"
#include "base/strings.hpp"
#include "kube/time.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

std::string key_of(const json& pod) {
  const auto& meta = json_object(pod, "metadata");
  return meta.value("namespace", "default") + "/" + meta.value("name", "");
}

// "HH:MM:SS.mmm", UTC.
std::string clock_time(const json& entry, const char* key) {
  const auto time = json_time(entry, key);
  return time ? kube::format_nano_time(*time).substr(11, 12) : std::string(12, ' ');
}

std::string exit_summary(const json& terminated, SystemTime now) {
  std::string out = "exit code " + std::to_string(terminated.value("exitCode", 0));
  if (const auto reason = terminated.value("reason", ""); !reason.empty()) out += " (" + reason + ")";
  if (const auto end = json_time(terminated, "finishedAt")) out += " " + age(end, now) + " ago";
  if (const auto message = terminated.value("message", ""); !message.empty()) out += ": " + std::string(trim(message));
  return out;
}

std::string state_text(const json& c, SystemTime now) {
  const auto& state = json_object(c, "state");
  std::string out = "not started";
  if (state.contains("running")) {
    out = "running for " + age(json_time(state["running"], "startedAt"), now) +
          (c.value("ready", false) ? ", ready" : ", not ready");
  } else if (state.contains("terminated")) {
    out = "ended: " + exit_summary(state["terminated"], now);
  } else if (state.contains("waiting")) {
    out = "waiting: " + state["waiting"].value("reason", "");
    if (const auto message = state["waiting"].value("message", ""); !message.empty()) out += ": " + message;
  }
  if (const int restarts = c.value("restartCount", 0)) out += ", restarted " + std::to_string(restarts) + "x";
  const auto& last = json_object(json_object(c, "lastState"), "terminated");
  if (!last.empty()) out += "\n" + std::string(16, ' ') + "before that: " + exit_summary(last, now);
  return out;
}

std::string containers_text(const json& pod, SystemTime now) {
  std::string out;
  const auto& status = json_object(pod, "status");
  for (const auto& [list, prefix] : {std::pair("initContainerStatuses", "init "), std::pair("containerStatuses", "")}) {
    for (const auto& c : status.value(list, json::array())) {
      auto name = prefix + c.value("name", "");
      if (name.size() < 12) name.resize(12, ' ');
      out += "  " + name + "  " + state_text(c, now) + "\n";
      out += std::string(16, ' ') + "image " + c.value("image", "") + "\n";
    }
  }
  return out.empty() ? out : "Containers:\n" + out;
}

// Conditions that are not True say what keeps the pod from being Ready.
std::string conditions_text(const json& pod) {
  std::string out;
  for (const auto& c : json_object(pod, "status").value("conditions", json::array())) {
    if (c.value("status", "") == "True") continue;
    const auto reason = c.value("reason", ""), message = c.value("message", "");
    out += "  " + c.value("type", "") + " is " + c.value("status", "");
    if (!reason.empty()) out += ": " + reason;
    if (!message.empty()) out += ": " + message;
    out += "\n";
  }
  return out.empty() ? out : "Not fulfilled:\n" + out;
}

std::string waits_text(const json& waits, SystemTime now) {
  std::string out;
  for (const auto& w : waits) {
    out += "  " + w.value("object", "") + ": waiting for " + w.value("what", "") + ", since " +
           age(json_time(w, "since"), now) + "\n";
    if (const auto why = w.value("why", ""); !why.empty()) out += "    because: " + why + "\n";
    if (const auto hint = w.value("hint", ""); !hint.empty()) out += "    what to do: " + hint + "\n";
    if (const auto until = json_time(w, "retryAt")) {
      out += *until > now ? "    next try: in " + human_duration(*until - now) + "\n" : "    next try: now\n";
    }
  }
  return out.empty() ? out : "Waits:\n" + out;
}

// What is being done right now; a step that lasts is what the pod waits for.
std::string open_steps_text(const json& steps, SystemTime now) {
  std::string out;
  for (const auto& step : steps) {
    out += "  " + step.value("object", "") + ": " + step.value("what", "") + ", since " +
           age(json_time(step, "since"), now) + "\n";
    if (const auto why = step.value("why", ""); !why.empty()) out += "    because: " + why + "\n";
    if (const auto hint = step.value("hint", ""); !hint.empty()) out += "    what to do: " + hint + "\n";
  }
  return out.empty() ? out : "Under way:\n" + out;
}

std::string entries_text(const json& entries) {
  if (entries.empty()) return {};
  Table table({"", "TIME (UTC)", "TOOK", "WHERE", "WHAT", "OUTCOME"});
  for (const auto& e : entries) {
    const int count = e.value("count", 1);
    auto message = e.value("message", "");
    if (count > 1) message += " (" + std::to_string(count) + "x, last " + clock_time(e, "last") + ")";
    table.add({e.value("kind", "") == "Warning" ? "!" : "", clock_time(e, "first"),
               e.contains("tookSeconds") ? step_duration(e["tookSeconds"].get<double>()) : "", e.value("object", ""),
               e.value("reason", ""), std::move(message)});
  }
  return "What was done:\n" + table.take();
}

std::string pod_text(const json& part, SystemTime now) {
  const auto& pod = json_object(part, "pod");
  const auto& status = json_object(pod, "status");
  const auto columns = pod_columns(pod);
  std::string out = "Pod " + key_of(pod) + ": " + columns.status + ", " + std::to_string(columns.ready) + " of " +
                    std::to_string(columns.total) + " containers ready\n";
  if (const auto message = status.value("message", ""); !message.empty()) out += "  " + message + "\n";
  std::vector<std::string> facts;
  if (const auto ip = status.value("podIP", ""); !ip.empty()) facts.push_back("IP " + ip);
  if (const auto since = json_time(status, "startTime")) facts.push_back("started " + age(since, now) + " ago");
  if (const auto qos = status.value("qosClass", ""); !qos.empty()) facts.push_back("QoS " + qos);
  facts.push_back("UID " + json_object(pod, "metadata").value("uid", ""));
  out += "  " + join(facts, ", ") + "\n";
  for (const auto& section : {waits_text(part.value("waits", json::array()), now),
                              open_steps_text(part.value("underWay", json::array()), now), containers_text(pod, now),
                              conditions_text(pod), entries_text(part.value("entries", json::array()))}) {
    if (!section.empty()) out += "\n" + section;
  }
  return out;
}

std::string not_found_text(const json& document) {
  const auto subject = document.value("subject", "");
  std::string out = "There is no pod, workload or file \"" + subject + "\" here.\n";
  std::vector<std::string> names;
  for (const auto& name : document.value("similar", json::array())) names.push_back(name.get<std::string>());
  if (!names.empty()) out += "Names like it: " + join(names, ", ") + "\n";
  return out;
}

}  // namespace

bool explains_something(const json& document) {
  for (const char* key : {"pods", "workloads", "problems", "retired"}) {
    if (!document.value(key, json::array()).empty()) return true;
  }
  return false;
}

std::string explain_text(const json& document, SystemTime now) {
  if (!explains_something(document)) return not_found_text(document);
  std::vector<std::string> sections;
  const auto workloads = document.value("workloads", json::array());
  if (!workloads.empty()) sections.push_back(workload_table(workloads, true));
  const auto problems = problem_lines(document.value("problems", json::array()), true);
  if (!problems.empty()) sections.push_back(problems);
  for (const auto& part : document.value("pods", json::array())) sections.push_back(pod_text(part, now));
  for (const auto& part : document.value("retired", json::array())) {
    sections.push_back("Pod " + part.value("key", "") + " does not run. Of an earlier pod of that name:\n" +
                       waits_text(part.value("waits", json::array()), now) +
                       entries_text(part.value("entries", json::array())));
  }
  return join(sections, "\n");
}

namespace {

// "NAME   value" lines; a line without a name goes on with what the one before is about.
struct Facts {
  void add(std::string name, const std::string& value) {
    name.resize(14, ' ');
    text += name + value + "\n";
  }
  std::string text;
};

void add_runtime(Facts& facts, const json& s) {
  const auto& runtime = json_object(s, "runtime");
  const auto& cgroups = json_object(s, "cgroups");
  const auto name = runtime.value("name", "");
  auto text = name.empty() ? "unknown" : name + " " + runtime.value("version", "");
  text += " at " + runtime.value("endpoint", "");
  text += runtime.value("connected", false) ? ", connected" : ", NOT CONNECTED";
  facts.add("Runtime", text);
  facts.add("Events", runtime.value("events", ""));
  facts.add("Cgroups", "v" + std::to_string(cgroups.value("version", 0)) + ", driver " + cgroups.value("driver", ""));
}

void add_network(Facts& facts, const json& network) {
  auto text = "plugins run by the " + network.value("mode", "");
  if (network.contains("network")) {
    const auto used = network.value("network", "");
    text += used.empty() ? ", NO NETWORK CONFIGURED" : ", network " + used;
    text += ", " + std::to_string(network.value("attachments", 0)) + " attachments";
  }
  facts.add("Pod network", text);
  for (const auto& p : network.value("problems", json::array())) {
    facts.add("", p.value("file", "") + ": " + p.value("reason", ""));
  }
}

void add_services(Facts& facts, const json& proxy, int services) {
  auto text = std::to_string(services);
  if (!proxy.value("enabled", false)) {
    facts.add("Services", text + ", the proxy is switched off");
    return;
  }
  text += proxy.value("synced", false) ? ", rules in sync" : ", rules not written yet";
  if (proxy.value("pending", false)) text += ", changes pending";
  facts.add("Services", text);
  for (const auto& f : proxy.value("families", json::array())) {
    const int rules = f.value("filterRules", 0) + f.value("natRules", 0);
    auto line = f.value("family", "") + " " + f.value("backend", "") + ": " + std::to_string(rules) + " rules";
    if (const int elements = f.value("elements", 0); elements > 0)
      line += ", " + std::to_string(elements) + " elements";
    if (const auto error = f.value("lastError", ""); !error.empty()) line += ", last error: " + error;
    facts.add("", line);
  }
}

}  // namespace

std::string status_text(const json& s) {
  const auto& counts = json_object(s, "counts");
  const auto manifests = s.value("manifests", "");
  std::vector<std::string> addresses;
  for (const auto& a : s.value("addresses", json::array())) addresses.push_back(a.get<std::string>());
  Facts facts;
  facts.add("Node", s.value("node", "") + " (" + join(addresses, ", ") + ")");
  facts.add("Keelson", s.value("version", ""));
  add_runtime(facts, s);
  add_network(facts, json_object(s, "podNetwork"));
  add_services(facts, json_object(s, "proxy"), counts.value("services", 0));
  facts.add("Manifests", manifests.empty() ? "none" : manifests);
  facts.add("Pods",
            std::to_string(counts.value("podsReady", 0)) + " of " + std::to_string(counts.value("pods", 0)) + " ready");
  facts.add("Problems", std::to_string(counts.value("problems", 0)));
  return facts.text;
}

}  // namespace keelson::agent
