#include "agent/cluster/admission.hpp"

#include <algorithm>
#include <map>
#include <string_view>

#include "agent/eviction/rank.hpp"
#include "agent/spec/node_support.hpp"
#include "agent/spec/qos.hpp"
#include "agent/spec/resources.hpp"
#include "kube/labels.hpp"

namespace keelson::agent {
namespace {

std::optional<Rejection> refuse_pressed(const AdmissionInput& in) {
  const bool critical = in.from_folder ? spec::has_critical_priority(in.pod) : spec::is_critical_pod(in.pod);
  if (critical) return std::nullopt;
  auto message = refused_under_pressure(in.pod, in.pressure);
  if (!message) return std::nullopt;
  return Rejection{"Evicted", std::move(*message)};
}

std::optional<Rejection> rejection_of(std::optional<spec::Refusal> refusal) {
  if (!refusal) return std::nullopt;
  return Rejection{std::move(refusal->reason), std::move(refusal->message)};
}

std::optional<Rejection> refuse_sysctls(const AdmissionInput& in) {
  return rejection_of(spec::refuse_sysctls(in.pod, in.allowed_sysctls));
}

std::optional<Rejection> refuse_unsupported(const AdmissionInput& in) {
  return in.facts == nullptr ? std::nullopt : rejection_of(spec::unsupported_here(in.pod, *in.facts));
}

std::optional<Rejection> refuse_os(const AdmissionInput& in) {
  constexpr const char* kOsLabel = "kubernetes.io/os";
  const auto& selector = in.pod.spec.node_selector;
  if (const auto it = selector.find(kOsLabel); it != selector.end() && it->second != "linux") {
    return Rejection{"PodOSSelectorNodeLabelDoesNotMatch",
                     "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"};
  }
  if (in.pod.spec.os && in.pod.spec.os->name != "linux") {
    return Rejection{"PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"};
  }
  return std::nullopt;
}

std::int64_t amount(const std::string& resource, const kube::Quantity& quantity) {
  return resource == "cpu" ? quantity.milli_value() : quantity.value();
}

std::optional<Rejection> refuse_resources(const AdmissionInput& in) {
  const auto short_of = shortages(in);
  if (short_of.empty()) return std::nullopt;
  const auto& s = short_of.front();
  return Rejection{"OutOf" + s.resource,
                   "Node didn't have enough resource: " + s.resource + ", requested: " + std::to_string(s.requested) +
                       ", used: " + std::to_string(s.used) + ", capacity: " + std::to_string(s.capacity)};
}

std::optional<Rejection> refuse_node(const AdmissionInput& in) {
  const auto& spec = in.pod.spec;
  const auto& node = in.node.metadata;
  bool fits = kube::matches(spec.node_selector, node.labels);
  if (fits && spec.affinity && spec.affinity->node_affinity) {
    const auto& required = spec.affinity->node_affinity->required_during_scheduling_ignored_during_execution;
    if (required) fits = kube::matches(*required, node.labels, node.name);
  }
  if (!fits) {
    return Rejection{"NodeAffinity",
                     "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"};
  }
  if (!spec.node_name.empty() && spec.node_name != node.name) {
    return Rejection{"NodeName", "Predicate NodeName failed: node(s) didn't match the requested node name"};
  }
  return std::nullopt;
}

struct HostPort {
  std::string ip, protocol;
  std::int32_t port = 0;
  [[nodiscard]] bool conflicts(const HostPort& other) const {
    const bool same_ip = ip == other.ip || ip == "0.0.0.0" || other.ip == "0.0.0.0";
    return port == other.port && protocol == other.protocol && same_ip;
  }
};

std::vector<HostPort> host_ports(const kube::Pod& pod) {
  std::vector<HostPort> out;
  const auto add = [&](const kube::Container& c) {
    for (const auto& p : c.ports) {
      if (p.host_port > 0)
        out.push_back(
            {p.host_ip.empty() ? "0.0.0.0" : p.host_ip, p.protocol.empty() ? "TCP" : p.protocol, p.host_port});
    }
  };
  for (const auto& c : pod.spec.containers) add(c);
  for (const auto& c : pod.spec.init_containers) {
    if (spec::is_sidecar(c)) add(c);
  }
  return out;
}

std::optional<Rejection> refuse_ports(const AdmissionInput& in) {
  const auto wanted = host_ports(in.pod);
  if (wanted.empty()) return std::nullopt;
  for (const auto* other : in.others) {
    for (const auto& taken : host_ports(*other)) {
      if (std::any_of(wanted.begin(), wanted.end(), [&](const HostPort& p) { return p.conflicts(taken); })) {
        return Rejection{"NodePorts",
                         "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"};
      }
    }
  }
  return std::nullopt;
}

bool tolerates(const kube::Toleration& t, const kube::Taint& taint) {
  if (!t.effect.empty() && t.effect != taint.effect) return false;
  if (!t.key.empty() && t.key != taint.key) return false;
  if (t.op == "Exists") return true;
  return !t.key.empty() && t.value == taint.value;
}

std::optional<Rejection> refuse_taints(const AdmissionInput& in) {
  if (in.from_folder) return std::nullopt;
  for (const auto& taint : in.node.spec.taints) {
    if (taint.effect != "NoExecute") continue;
    const auto& all = in.pod.spec.tolerations;
    if (std::none_of(all.begin(), all.end(), [&](const auto& t) { return tolerates(t, taint); })) {
      return Rejection{"TaintToleration",
                       "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"};
    }
  }
  return std::nullopt;
}

std::optional<Rejection> refuse_shutdown(const AdmissionInput& in) {
  if (!in.shutting_down) return std::nullopt;
  return Rejection{"NodeShutdown", "Pod was rejected as the node is shutting down."};
}

}  // namespace

std::int64_t request_of(const kube::Pod& pod, const std::string& resource) {
  if (resource == "pods") return 1;
  const auto requests = spec::pod_requests(pod);
  const auto it = requests.find(resource);
  return it == requests.end() ? 0 : amount(resource, it->second);
}

std::vector<Shortage> shortages(const AdmissionInput& in) {
  std::vector<Shortage> out;
  const auto& allocatable = in.node.status.allocatable;
  if (const auto pods = allocatable.find("pods"); pods != allocatable.end()) {
    const auto used = static_cast<std::int64_t>(in.others.size());
    if (used + 1 > pods->second.value()) out.push_back({"pods", 1, used, pods->second.value()});
  }
  std::map<std::string, std::int64_t> used;
  for (const auto* other : in.others) {
    for (const auto& [resource, quantity] : spec::pod_requests(*other)) used[resource] += amount(resource, quantity);
  }
  for (const auto& [resource, wanted] : spec::pod_requests(in.pod)) {
    const auto free = allocatable.find(resource);
    if (wanted.is_zero() || free == allocatable.end()) continue;  // the node does not manage it: not for it to refuse
    const Shortage s{resource, amount(resource, wanted), used[resource], amount(resource, free->second)};
    if (s.missing() > 0) out.push_back(s);
  }
  return out;
}

std::optional<Rejection> admit(const AdmissionInput& in) {
  for (const auto check : {refuse_pressed, refuse_sysctls, refuse_os, refuse_unsupported, refuse_resources, refuse_node,
                           refuse_ports, refuse_taints, refuse_shutdown}) {
    if (auto rejection = check(in)) return rejection;
  }
  return std::nullopt;
}

std::optional<Rejection> refuse_resize(const AdmissionInput& in) {
  for (const auto& [resource, wanted] : spec::pod_requests(in.pod)) {
    const auto all = in.node.status.allocatable.find(resource);
    if (all == in.node.status.allocatable.end()) continue;
    const auto requested = amount(resource, wanted), capacity = amount(resource, all->second);
    if (requested <= capacity) continue;
    return Rejection{"Infeasible", "Node didn't have enough capacity: " + resource + ", requested: " +
                                       std::to_string(requested) + ", capacity: " + std::to_string(capacity)};
  }
  if (auto refused = refuse_resources(in)) return Rejection{"Deferred", std::move(refused->message)};
  return std::nullopt;
}

}  // namespace keelson::agent
