// A container's environment. Follows kubernetes pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables),
// pkg/kubelet/envvars and, for field references, pkg/fieldpath and pkg/api/v1/resource.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/spec/expansion.hpp"
#include "agent/spec/node_facts.hpp"
#include "kube/object_set.hpp"
#include "kube/pod.hpp"

namespace keelson::spec {

struct EnvironmentInput {
  const kube::Pod& pod;
  const kube::Container& container;
  const kube::ObjectSet& objects;  // what references(pod) named, and the Services
  const NodeFacts& node;
  std::vector<std::string> pod_ips;  // from the sandbox, the primary first
  // The text of a file in one of the pod's volumes, for fileKeyRef; may be empty where no volume is mounted.
  std::function<Result<std::string>(const std::string& volume, const std::string& path)> read_volume_file;
};

struct Environment {
  Variables variables;
  // envFrom keys that no process environment can hold ("=" or a NUL byte in them), as "ConfigMap NS/NAME key KEY".
  std::vector<std::string> skipped;
};

// Service variables < envFrom in order < env in order. Errors carry reason CreateContainerConfigError and upstream's
// text, e.g. `configmap "x" not found`, `couldn't find key k in Secret ns/x`.
Result<Environment> make_environment(const EnvironmentInput& input);

// The variables of both styles (NAME_SERVICE_HOST, NAME_PORT_80_TCP_ADDR, ...): of default/kubernetes always, and of
// the pod's namespace with enableServiceLinks (unset: true). Services without a cluster IP have none.
[[nodiscard]] Variables service_variables(const kube::Pod& pod, const kube::ObjectSet& objects);

// The value of a field that fieldRef may name in an environment.
Result<std::string> field_value(const kube::ObjectFieldSelector& selector, const kube::Pod& pod, const NodeFacts& node,
                                const std::vector<std::string>& pod_ips);
// The value of resourceFieldRef: ceil(amount / divisor); a limit not set is the pod's, else the node's allocatable.
Result<std::string> resource_field_value(const kube::ResourceFieldSelector& selector, const kube::Pod& pod,
                                         const kube::Container& container, const NodeFacts& node);

// Whether a process environment can hold a variable of this name: not empty, no "=", no NUL.
[[nodiscard]] bool valid_variable_name(std::string_view name);

}  // namespace keelson::spec
