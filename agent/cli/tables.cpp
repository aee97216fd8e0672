#include "agent/cli/tables.hpp"

#include <map>
#include <nlohmann/json.hpp>

#include "agent/cli/pod_row.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

std::string or_none(const std::string& text) { return text.empty() ? "<none>" : text; }

std::string ports_text(const json& ports) {
  std::vector<std::string> parts;
  for (const auto& p : ports) {
    auto text = std::to_string(p.value("port", 0));
    if (const int node_port = p.value("nodePort", 0)) text += ":" + std::to_string(node_port);
    parts.push_back(text + "/" + p.value("protocol", "TCP"));
  }
  return or_none(join(parts, ","));
}

std::string external_ip(const json& service) {
  const auto& spec = json_object(service, "spec");
  const auto type = spec.value("type", "ClusterIP");
  if (type == "ExternalName") return or_none(spec.value("externalName", ""));
  std::vector<std::string> ips;
  const auto& balancer = json_object(json_object(service, "status"), "loadBalancer");
  for (const auto& entry : balancer.value("ingress", json::array())) {
    ips.push_back(entry.value("ip", entry.value("hostname", "")));
  }
  for (const auto& ip : spec.value("externalIPs", json::array())) ips.push_back(ip.get<std::string>());
  if (ips.empty() && type == "LoadBalancer") return "<pending>";
  return or_none(join(ips, ","));
}

std::string selector_text(const json& service) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : json_object(json_object(service, "spec"), "selector").items()) {
    parts.push_back(key + "=" + value.get<std::string>());
  }
  return or_none(join(parts, ","));
}

std::string slice_ports(const json& slice) {
  std::vector<std::string> parts;
  for (const auto& p : slice.value("ports", json::array())) {
    parts.push_back(p.contains("port") ? std::to_string(p.value("port", 0)) : "*");
  }
  return or_none(join(parts, ","));
}

std::string slice_addresses(const json& slice) {
  std::vector<std::string> parts;
  for (const auto& endpoint : slice.value("endpoints", json::array())) {
    for (const auto& address : endpoint.value("addresses", json::array())) {
      const bool ready = json_object(endpoint, "conditions").value("ready", true);
      parts.push_back(address.get<std::string>() + (ready ? "" : " (not ready)"));
    }
  }
  return or_none(join(parts, ","));
}

std::string of(int part, int whole) { return std::to_string(part) + "/" + std::to_string(whole); }

}  // namespace

std::optional<std::string> canonical_kind(const std::string& name) {
  static const std::map<std::string, std::string> kNames = {{"po", "pods"},
                                                            {"pod", "pods"},
                                                            {"pods", "pods"},
                                                            {"svc", "services"},
                                                            {"service", "services"},
                                                            {"services", "services"},
                                                            {"endpointslice", "endpointslices"},
                                                            {"endpointslices", "endpointslices"},
                                                            {"deploy", "deployments"},
                                                            {"deployment", "deployments"},
                                                            {"deployments", "deployments"},
                                                            {"rs", "replicasets"},
                                                            {"replicaset", "replicasets"},
                                                            {"replicasets", "replicasets"},
                                                            {"sts", "statefulsets"},
                                                            {"statefulset", "statefulsets"},
                                                            {"statefulsets", "statefulsets"},
                                                            {"ds", "daemonsets"},
                                                            {"daemonset", "daemonsets"},
                                                            {"daemonsets", "daemonsets"},
                                                            {"job", "jobs"},
                                                            {"jobs", "jobs"},
                                                            {"workload", "workloads"},
                                                            {"workloads", "workloads"},
                                                            {"problem", "problems"},
                                                            {"problems", "problems"}};
  const auto it = kNames.find(to_lower(name));
  if (it == kNames.end()) return std::nullopt;
  return it->second;
}

std::string workload_kind(const std::string& canonical) {
  static const std::map<std::string, std::string> kKinds = {{"deployments", "Deployment"},
                                                            {"replicasets", "ReplicaSet"},
                                                            {"statefulsets", "StatefulSet"},
                                                            {"daemonsets", "DaemonSet"},
                                                            {"jobs", "Job"}};
  const auto it = kKinds.find(canonical);
  return it == kKinds.end() ? std::string() : it->second;
}

std::string service_table(const json& services, bool with_namespace, bool wide, SystemTime now) {
  Table::Row header;
  if (with_namespace) header.push_back("NAMESPACE");
  for (const char* name : {"NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"}) header.push_back(name);
  if (wide) header.push_back("SELECTOR");
  Table table(std::move(header));
  for (const auto& s : services) {
    const auto& meta = json_object(s, "metadata");
    const auto& spec = json_object(s, "spec");
    Table::Row row;
    if (with_namespace) row.push_back(meta.value("namespace", "default"));
    row.push_back(meta.value("name", ""));
    row.push_back(spec.value("type", "ClusterIP"));
    row.push_back(or_none(spec.value("clusterIP", "")));
    row.push_back(external_ip(s));
    row.push_back(ports_text(spec.value("ports", json::array())));
    row.push_back(age(json_time(meta, "creationTimestamp"), now));
    if (wide) row.push_back(selector_text(s));
    table.add(std::move(row));
  }
  return table.take();
}

std::string slice_table(const json& slices, bool with_namespace, SystemTime now) {
  Table::Row header;
  if (with_namespace) header.push_back("NAMESPACE");
  for (const char* name : {"NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"}) header.push_back(name);
  Table table(std::move(header));
  for (const auto& s : slices) {
    const auto& meta = json_object(s, "metadata");
    Table::Row row;
    if (with_namespace) row.push_back(meta.value("namespace", "default"));
    row.push_back(meta.value("name", ""));
    row.push_back(s.value("addressType", ""));
    row.push_back(slice_ports(s));
    row.push_back(slice_addresses(s));
    row.push_back(age(json_time(meta, "creationTimestamp"), now));
    table.add(std::move(row));
  }
  return table.take();
}

std::string workload_table(const json& workloads, bool with_namespace) {
  Table::Row header;
  if (with_namespace) header.push_back("NAMESPACE");
  for (const char* name : {"KIND", "NAME", "READY", "UP-TO-DATE", "DONE", "FAILED", "MESSAGE"}) header.push_back(name);
  Table table(std::move(header));
  for (const auto& w : workloads) {
    const bool job = w.value("kind", "") == "Job";
    const int desired = w.value("desired", 0);
    Table::Row row;
    if (with_namespace) row.push_back(w.value("namespace", "default"));
    row.push_back(w.value("kind", ""));
    row.push_back(w.value("name", ""));
    row.push_back(job ? std::to_string(w.value("ready", 0)) : of(w.value("ready", 0), desired));
    row.push_back(job ? "-" : std::to_string(w.value("upToDate", 0)));
    row.push_back(job ? of(w.value("succeeded", 0), desired) : "-");
    row.push_back(job ? std::to_string(w.value("failed", 0)) : "-");
    row.push_back(w.value("message", ""));
    table.add(std::move(row));
  }
  return table.take();
}

namespace {

// A message often names the file or object itself; then it is not said twice.
std::string problem_text(const json& p) {
  const auto file = p.value("file", ""), object = p.value("object", "");
  auto message = p.value("message", "");
  if (!file.empty() && message.starts_with(file + ": ")) message.erase(0, file.size() + 2);
  const auto subject = message.substr(0, message.find(": "));
  const auto kind = object.substr(0, object.find(' ')), name = object.substr(object.find_first_of(" /") + 1);
  const bool said =
      !object.empty() && subject.starts_with(kind + " ") && subject.ends_with(name.substr(name.find('/') + 1));
  std::vector<std::string> parts;
  for (const auto& part : {file, said ? std::string() : object, message}) {
    if (!part.empty()) parts.push_back(part);
  }
  return join(parts, ": ");
}

}  // namespace

std::string problem_lines(const json& problems, bool with_warnings) {
  std::string out;
  for (const auto& p : problems) {
    const bool warning = p.value("severity", "error") == "warning";
    if (warning && !with_warnings) continue;
    out += "  " + problem_text(p) + (warning ? " (warning)\n" : "\n");
  }
  return out.empty() ? out : "Problems:\n" + out;
}

}  // namespace keelson::agent
