#include "agent/proxy/explain.hpp"

#include <nlohmann/json.hpp>

#include "base/strings.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/time.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

const char* text_of(proxy::FrontendKind kind) {
  switch (kind) {
    case proxy::FrontendKind::cluster_ip:
      return "ClusterIP";
    case proxy::FrontendKind::node_port:
      return "NodePort";
    case proxy::FrontendKind::external_ip:
      return "ExternalIP";
    case proxy::FrontendKind::load_balancer_ip:
      return "LoadBalancerIP";
  }
  return "";
}

const char* text_of(proxy::Outcome outcome) {
  switch (outcome) {
    case proxy::Outcome::balanced:
      return "balanced";
    case proxy::Outcome::rejected:
      return "rejected";
    case proxy::Outcome::dropped:
      return "dropped";
  }
  return "";
}

const char* text_of(proxy::Masquerade masquerade) {
  switch (masquerade) {
    case proxy::Masquerade::never:
      return "never";
    case proxy::Masquerade::all:
      return "all";
    case proxy::Masquerade::not_local_pods:
      return "notLocalPods";
    case proxy::Masquerade::node_itself:
      return "nodeItself";
  }
  return "";
}

const char* text_of(proxy::LeftOut reason) {
  switch (reason) {
    case proxy::LeftOut::no:
      return "";
    case proxy::LeftOut::not_ready:
      return "not ready";
    case proxy::LeftOut::draining:
      return "terminating, and others are ready";
    case proxy::LeftOut::terminating:
      return "terminating, and serves no more";
    case proxy::LeftOut::other_node:
      return "on another node";
    case proxy::LeftOut::other_zone:
      return "for another zone";
  }
  return "";
}

template <class List>
json texts(const List& items) {
  json out = json::array();
  for (const auto& item : items) out.push_back(item.to_string());
  return out;
}

json frontend_json(const proxy::FrontendFate& f) {
  return {{"kind", text_of(f.kind)},
          {"addresses", texts(f.addresses)},
          {"port", f.port},
          {"localhost", f.localhost},
          {"policy", f.local_policy ? "Local" : "Cluster"},
          {"outcome", text_of(f.outcome)},
          {"masquerade", text_of(f.masquerade)},
          {"sourceRanges", texts(f.source_ranges)}};
}

json endpoint_json(const proxy::EndpointFate& fate, const proxy::NamePool& names) {
  const proxy::Endpoint& e = fate.endpoint;
  return {{"address", e.ip.with_port(e.port)},
          {"node", names.text(e.node)},
          {"zone", names.text(e.zone)},
          {"here", (e.flags & proxy::kLocal) != 0},
          {"ready", (e.flags & proxy::kReady) != 0},
          {"serving", (e.flags & proxy::kServing) != 0},
          {"terminating", (e.flags & proxy::kTerminating) != 0},
          {"cluster", text_of(fate.cluster)},
          {"local", text_of(fate.local)}};
}

std::string upper(std::string_view protocol) {
  std::string out(protocol);
  for (char& c : out) c = static_cast<char>(c - 'a' + 'A');
  return out;
}

json port_json(const proxy::PortFate& fate, const proxy::NamePool& names) {
  json frontends = json::array(), endpoints = json::array(), others = json::array();
  for (const auto& f : fate.frontends) frontends.push_back(frontend_json(f));
  for (const auto& e : fate.endpoints) endpoints.push_back(endpoint_json(e, names));
  for (const auto& p : fate.other_ports) {
    const auto name = names.text(p.name);
    others.push_back((name.empty() ? std::string("unnamed") : "\"" + std::string(name) + "\"") + " " +
                     std::to_string(p.port) + "/" + upper(to_string(p.protocol)));
  }
  return {{"family", proxy::to_string(fate.family)},
          {"name", names.text(fate.port.name)},
          {"port", fate.port.port},
          {"protocol", upper(to_string(fate.port.protocol))},
          {"usesCluster", fate.uses_cluster},
          {"usesLocal", fate.uses_local},
          {"frontends", std::move(frontends)},
          {"endpoints", std::move(endpoints)},
          {"otherPorts", std::move(others)}};
}

const char* text_of(proxy::RulelessService::Why why) {
  using Why = proxy::RulelessService::Why;
  switch (why) {
    case Why::headless:
      return "headless";
    case Why::external_name:
      return "externalName";
    case Why::other_proxy:
      return "otherProxy";
    case Why::no_address:
      return "noAddress";
    case Why::unusable:
      return "unusable";
  }
  return "";
}

json headless_endpoints(const std::vector<std::shared_ptr<const kube::EndpointSlice>>& slices,
                        const std::string& node_name) {
  json out = json::array();
  for (const auto& slice : slices) {
    std::vector<std::string> ports;
    for (const auto& p : slice->ports) {
      if (p.port) ports.push_back(std::to_string(*p.port) + "/" + p.protocol.value_or("TCP"));
    }
    for (const auto& e : slice->endpoints) {
      const std::string node = e.node_name.value_or("");
      for (const auto& address : e.addresses) {
        out.push_back({{"address", address},
                       {"ports", join(ports, ",")},
                       {"node", node},
                       {"here", !node.empty() && node == node_name},
                       {"ready", e.conditions.ready.value_or(true)},
                       {"serving", e.conditions.serving.value_or(true)},
                       {"terminating", e.conditions.terminating.value_or(false)}});
      }
    }
  }
  return out;
}

json ruleless_json(const proxy::Proxier& proxier, const std::string& key, const ExplainFacts& facts) {
  json out = {{"key", key}, {"hasRules", false}, {"why", ""}, {"text", ""}};
  const proxy::ServiceEntry* entry = proxier.model().find(key);
  out["slices"] = entry == nullptr ? 0 : entry->slices.size();
  const auto& all = proxier.model().ruleless();
  const auto it = all.find(key);
  if (it == all.end()) return out;
  out["why"] = text_of(it->second->why);
  out["text"] = it->second->text;
  const auto slices = facts.headless.find(key);
  if (slices == facts.headless.end()) return out;
  if (slices->second) {
    out["endpoints"] = headless_endpoints(*slices->second, proxier.node_name());
  } else {
    out["endpointsError"] = slices->second.error().message;
  }
  return out;
}

json service_json(const proxy::Proxier& proxier, const std::string& key, const ExplainFacts& facts) {
  const proxy::ServiceFate fate = proxier.explain(key);
  if (!fate.has_rules) return ruleless_json(proxier, key, facts);
  json ports = json::array();
  for (const auto& port : fate.ports) ports.push_back(port_json(port, proxier.model().names()));
  const proxy::ServiceEntry* entry = proxier.model().find(key);
  return {{"key", key},
          {"hasRules", fate.has_rules},
          {"slices", fate.slices},
          {"affinitySeconds", fate.affinity_seconds},
          {"healthCheckNodePort", fate.health_check_node_port},
          {"localEndpoints", entry == nullptr ? 0 : proxy::ready_local_endpoints(*entry)},
          {"ports", std::move(ports)}};
}

// Whose packets to a ClusterIP keep their source.
std::string local_pods(const proxy::ProxyConfig& config) {
  switch (config.detect_local_mode) {
    case proxy::LocalMode::cluster_cidr:
      return join(config.cluster_cidrs, ", ");
    case proxy::LocalMode::node_cidr:
      return join(config.node_cidrs, ", ");
    case proxy::LocalMode::bridge_interface:
      return "interface " + config.bridge_interface;
    case proxy::LocalMode::interface_name_prefix:
      return "interfaces " + config.interface_name_prefix + "*";
  }
  return "";
}

}  // namespace

json explain_service_json(const proxy::Proxier* proxier, const std::string& ns, const std::string& name,
                          const ExplainFacts& facts) {
  json out = {{"subject", ns.empty() ? name : ns + "/" + name}, {"services", json::array()}};
  if (proxier == nullptr) {
    out["proxy"] = {{"enabled", false}};
    return out;
  }
  const proxy::ProxierStatus status = proxier->status();
  json errors = json::array();
  for (const auto& f : status.families) {
    if (!f.last_error.empty()) errors.push_back(std::string(proxy::to_string(f.family)) + ": " + f.last_error);
  }
  out["proxy"] = {{"enabled", true},
                  {"synced", status.synced},
                  {"mode", std::string(proxier->mode())},
                  {"localPods", local_pods(proxier->config())},
                  {"errors", std::move(errors)}};
  for (const auto& key : proxy::services_named(proxier->model(), ns, name)) {
    out["services"].push_back(service_json(*proxier, key, facts));
  }
  if (facts.fill) out["conntrack"] = {{"count", facts.fill->count}, {"max", facts.fill->max}};
  return out;
}

Awaitable<json> explain_service_now(const proxy::Proxier* proxier, std::string ns, std::string name,
                                    SlicesOf slices_of) {
  ExplainFacts facts;
  facts.fill = proxy::read_conntrack_fill();
  std::vector<std::string> keys;
  if (proxier != nullptr) keys = proxy::services_named(proxier->model(), ns, name);
  for (const std::string& key : keys) {
    const auto& all = proxier->model().ruleless();
    const auto it = all.find(key);
    if (it == all.end() || it->second->why != proxy::RulelessService::Why::headless) continue;
    const auto slash = key.find('/');
    std::string of_ns = key.substr(0, slash), service = key.substr(slash + 1);
    auto slices = co_await slices_of(std::move(of_ns), std::move(service));
    facts.headless.emplace(key, std::move(slices));
  }
  co_return explain_service_json(proxier, ns, name, facts);
}

json proxy_status_json(const proxy::Proxier* proxier) {
  if (!proxier) return {{"enabled", false}};
  const auto status = proxier->status();
  json families = json::array();
  for (const auto& f : status.families) {
    json item = {{"family", proxy::to_string(f.family)},
                 {"backend", f.backend},
                 {"filterRules", f.rules.filter},
                 {"natRules", f.rules.nat},
                 {"fullSyncs", f.full_syncs},
                 {"partialSyncs", f.partial_syncs},
                 {"failures", f.failures}};
    if (f.last_sync) item["lastSync"] = kube::format_time(*f.last_sync);
    if (!f.last_error.empty()) item["lastError"] = f.last_error;
    families.push_back(std::move(item));
  }
  return {{"enabled", true}, {"synced", status.synced}, {"pending", status.pending}, {"families", std::move(families)}};
}

}  // namespace keelson::agent
