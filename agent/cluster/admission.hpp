// Whether this node can take a pod that was bound to it, as a pure function: the predicates that the kubelet checks
// again, because a scheduler may not have been asked (nodeName set by hand) or may have been wrong. After upstream's
// pkg/kubelet/lifecycle/predicate.go and pkg/scheduler's AdmissionCheck; texts as there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/spec/node_facts.hpp"
#include "kube/node.hpp"
#include "kube/pod.hpp"

namespace keelson::agent {

struct Rejection {
  std::string reason;  // "OutOfcpu", "NodeAffinity", ...
  std::string message;
  bool operator==(const Rejection&) const = default;
};

struct AdmissionInput {
  const kube::Pod& pod;
  const kube::Node& node;                           // as the API server has it; status.allocatable counts
  const std::vector<const kube::Pod*>& others;      // pods that hold resources of the node: admitted and not ended
  const std::vector<std::string>& allowed_sysctls;  // --allowed-unsafe-sysctls: names, or prefixes ending in '*'
  bool from_folder = false;                // without a cluster: there are no taints, and only priority makes critical
  std::vector<std::string> pressure{};     // MemoryPressure, DiskPressure, PIDPressure: those that the node has
  bool shutting_down = false;              // the machine is
  const spec::NodeFacts* facts = nullptr;  // what kernel and runtime have; null: not asked
};

// A resource that the pod needs more of than is free; amounts in the resource's own unit (milli for cpu).
struct Shortage {
  std::string resource;
  std::int64_t requested = 0, used = 0, capacity = 0;
  [[nodiscard]] std::int64_t missing() const { return requested + used - capacity; }
};
// Every one of them, "pods" first.
[[nodiscard]] std::vector<Shortage> shortages(const AdmissionInput& input);

// What the pod as a whole takes of `resource` in that unit; of "pods" one.
[[nodiscard]] std::int64_t request_of(const kube::Pod& pod, const std::string& resource);

// Why the pod is refused; nothing where it is admitted. The first reason wins, in upstream's order.
[[nodiscard]] std::optional<Rejection> admit(const AdmissionInput& input);

// Why a pod that runs here cannot have the resources that it now asks for: "Infeasible" where this node never has them,
// "Deferred" where others have them now (pkg/kubelet/allocation canResizePod).
[[nodiscard]] std::optional<Rejection> refuse_resize(const AdmissionInput& input);

}  // namespace keelson::agent
