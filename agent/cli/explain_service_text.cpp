#include "agent/cli/explain_service_text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/cli/table.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

std::vector<std::string> words(const json& list) {
  std::vector<std::string> out;
  for (const auto& item : list) out.push_back(item.get<std::string>());
  return out;
}

std::string with_port(const std::string& ip, int port) {
  return (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" + std::to_string(port);
}

std::string where(const json& f) {
  const int port = f.value("port", 0);
  const auto addresses = words(f["addresses"]);
  if (f.value("kind", "") != "NodePort") return with_port(addresses.at(0), port);
  std::string on = addresses.empty() ? "on every address of the node" : "on " + join(addresses, ", ");
  if (f.value("localhost", false)) on += ", from the node at 127.0.0.1 too";
  return std::to_string(port) + " " + on;
}

std::string masquerade_text(const std::string& kind, const std::string& local_pods) {
  if (kind == "all") return "masqueraded: the endpoint sees the node's address";
  if (kind == "nodeItself") return "the sender's address is kept; the node's own processes are masqueraded";
  if (kind == "notLocalPods") {
    return "senders in " + local_pods + " keep their address, others are masqueraded";
  }
  return "the sender's address is kept";
}

// How many endpoints take packets under the policy ("cluster" or "local").
std::size_t taking(const json& endpoints, const char* policy) {
  return static_cast<std::size_t>(std::count_if(endpoints.begin(), endpoints.end(),
                                                [policy](const json& e) { return e.value(policy, "?").empty(); }));
}

std::string outcome_text(const json& f, const json& port, const std::string& local_pods) {
  const bool local = f.value("policy", "") == "Local";
  const auto outcome = f.value("outcome", "");
  if (outcome == "dropped") return "dropped: policy Local, and no endpoint that could serve is on this node";
  if (outcome == "rejected") return "rejected: there is no endpoint that could serve";
  const auto n = taking(port["endpoints"], local ? "local" : "cluster");
  std::string out = "balanced over " + std::to_string(n) + (n == 1 ? " endpoint" : " endpoints") +
                    (local ? " of this node (policy Local)" : "") + "; " +
                    masquerade_text(f.value("masquerade", ""), local_pods);
  if (!f["sourceRanges"].empty()) out += "; only from " + join(words(f["sourceRanges"]), ", ") + ", else dropped";
  return out;
}

std::string conditions(const json& e) {
  std::vector<std::string> out;
  out.push_back(e.value("ready", false) ? "ready" : "not ready");
  if (e.value("terminating", false)) out.push_back("terminating");
  if (e.value("terminating", false) && e.value("serving", false)) out.push_back("serving");
  return join(out, ", ");
}

std::string verdict(const std::string& reason) { return reason.empty() ? "yes" : "no: " + reason; }

std::string takes(const json& e, const json& port) {
  const auto cluster = verdict(e.value("cluster", "")), local = verdict(e.value("local", ""));
  const bool both = port.value("usesCluster", false) && port.value("usesLocal", false);
  if (both && cluster != local) return "policy Cluster " + cluster + "; policy Local " + local;
  return port.value("usesCluster", false) ? cluster : local;
}

std::string endpoints_text(const json& port) {
  const auto& endpoints = port["endpoints"];
  if (endpoints.empty()) {
    const auto others = words(port["otherPorts"]);
    if (others.empty()) return "  No endpoints: no EndpointSlice has an address for it.\n";
    return "  No endpoints: no EndpointSlice has a port of this name and protocol; they have " + join(others, ", ") +
           ".\n";
  }
  Table table({"", "ENDPOINT", "NODE", "ZONE", "CONDITIONS", "TAKES PACKETS"});
  for (const auto& e : endpoints) {
    const auto node = e.value("node", "");
    table.add({"", e.value("address", ""), node + (e.value("here", false) ? " (this)" : ""), e.value("zone", ""),
               conditions(e), takes(e, port)});
  }
  return table.take();
}

std::string port_text(const json& port, const std::string& local_pods) {
  const auto name = port.value("name", "");
  std::string out = "\nPort " + (name.empty() ? "" : name + " ") + std::to_string(port.value("port", 0)) + "/" +
                    port.value("protocol", "") + ", " + port.value("family", "") + ":\n";
  for (const auto& f : port["frontends"]) {
    out += "  " + f.value("kind", "") + " " + where(f) + "\n    " + outcome_text(f, port, local_pods) + "\n";
  }
  return out + endpoints_text(port);
}

std::string headless_text(const json& service) {
  if (service.contains("endpointsError")) {
    return "  Its endpoints are not known here: " + service["endpointsError"].get<std::string>() + "\n";
  }
  const auto endpoints = service.value("endpoints", json::array());
  if (endpoints.empty()) return "  No endpoints: no EndpointSlice has an address for it; DNS knows the name alone.\n";
  Table table({"", "ADDRESS", "PORTS", "NODE", "CONDITIONS", "IN DNS"});
  for (const auto& e : endpoints) {
    const auto node = e.value("node", "");
    table.add({"", e.value("address", ""), e.value("ports", ""), node + (e.value("here", false) ? " (this)" : ""),
               conditions(e), verdict(e.value("ready", false) ? "" : "not ready")});
  }
  return table.take();
}

// Of a Service without rules: what it is instead.
std::string ruleless_text(const json& service) {
  const auto key = service.value("key", ""), why = service.value("why", ""), text = service.value("text", "");
  const std::string subject = "Service " + key + " ";
  if (why == "headless") {
    return subject + "is headless: it has no address and no rules; DNS answers with its endpoints' addresses.\n" +
           headless_text(service);
  }
  if (why == "externalName") {
    return subject + "is of type ExternalName: DNS answers with the name " + text +
           "; it has no rules, and its packets are not this proxy's.\n";
  }
  if (why == "otherProxy")
    return subject + "is left to another proxy by its label " + text + "; it has no rules here.\n";
  if (why == "noAddress") return subject + "has no ClusterIP yet, and so no rules.\n";
  if (why == "unusable") return subject + "cannot be used: its name or namespace is not a DNS name.\n";
  return "There is no " + subject + "here, but " + std::to_string(service.value("slices", 0)) +
         " EndpointSlices name it.\n";
}

std::string service_text(const json& service, const json& proxy) {
  const auto key = service.value("key", "");
  if (!service.value("hasRules", false)) {
    return ruleless_text(service);
  }
  std::string out = "Service " + key + ", " + proxy.value("mode", "") + " rules:\n";
  if (const int seconds = service.value("affinitySeconds", 0)) {
    out += "  session affinity: a client stays with its endpoint until it was silent for " + std::to_string(seconds) +
           " s\n";
  }
  if (const int port = service.value("healthCheckNodePort", 0)) {
    const int n = service.value("localEndpoints", 0);
    out += "  health check node port " + std::to_string(port) + ": " + (n > 0 ? "healthy" : "not healthy") + ", " +
           std::to_string(n) + " ready here\n";
  }
  for (const auto& port : service["ports"]) out += port_text(port, proxy.value("localPods", ""));
  return out;
}

// The kernel's own trouble: no rule helps a connection that it cannot track.
std::string conntrack_text(const json& document) {
  if (!document.contains("conntrack")) return "";
  const auto count = document["conntrack"].value("count", 0LL), max = document["conntrack"].value("max", 0LL);
  if (max <= 0 || count * 10 < max * 9) return "";
  return "The kernel tracks " + std::to_string(count) + " of at most " + std::to_string(max) + " connections" +
         (count >= max ? ": it drops the packets of new ones" : "") +
         " (conntrack.min and conntrack.maxPerCore of KubeProxyConfiguration).\n";
}

}  // namespace

bool explains_service(const json& document) { return !document.value("services", json::array()).empty(); }

std::string explain_service_text(const json& document) {
  const auto& proxy = document.at("proxy");
  if (!proxy.value("enabled", false)) return "The Service proxy is switched off on this node.\n";
  std::string out;
  if (!proxy.value("synced", false)) {
    out += "Nothing is written yet: Services or EndpointSlices are not all known.\n";
  }
  for (const auto& error : words(proxy["errors"])) out += "Rules could not be written: " + error + "\n";
  out += conntrack_text(document);
  if (!explains_service(document)) return out + "There is no Service \"" + document.value("subject", "") + "\" here.\n";
  bool first = true;
  for (const auto& service : document["services"]) {
    out += (first ? "" : "\n") + service_text(service, proxy);
    first = false;
  }
  return out;
}

}  // namespace keelson::agent
