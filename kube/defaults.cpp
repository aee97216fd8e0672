// Defaults of everything but pods.
#include "kube/defaults.hpp"

#include <limits>

#include "kube/config.hpp"
#include "kube/default_to.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/service.hpp"
#include "kube/workload.hpp"

namespace keelson::kube {
namespace {

constexpr std::int32_t kRevisionHistory = 10;

// What applies to all that roll over by themselves.
RollingUpdate* default_strategy(UpdateStrategy& strategy) {
  default_to(strategy.type, "RollingUpdate");
  if (strategy.type != "RollingUpdate") return nullptr;
  if (!strategy.rolling_update) strategy.rolling_update.emplace();
  return &*strategy.rolling_update;
}

void set_defaults(ServicePort& port) {
  default_to(port.protocol, "TCP");
  if (!port.target_port.is_set()) port.target_port = port.port;
}

}  // namespace

void set_defaults(ConfigMap&) {}

void set_defaults(Secret& object) {
  default_to(object.type, "Opaque");
  for (auto& [key, value] : object.string_data) object.data[key] = std::move(value);
  object.string_data.clear();
}

void set_defaults(PersistentVolumeClaimSpec& spec) { default_to(spec.volume_mode, "Filesystem"); }

void set_defaults(PersistentVolumeClaim& object) {
  set_defaults(object.spec);
  default_to(object.status.phase, "Pending");
}

void set_defaults(PersistentVolume& object) {
  default_to(object.spec.persistent_volume_reclaim_policy, "Retain");
  default_to(object.spec.volume_mode, "Filesystem");
  if (object.spec.host_path) default_to(object.spec.host_path->type, "");
  if (object.spec.iscsi) default_to(object.spec.iscsi->iscsi_interface, "default");
  default_to(object.status.phase, "Pending");
}

void set_defaults(EndpointSlice& object) {
  for (EndpointPort& port : object.ports) {
    default_to(port.name, "");
    default_to(port.protocol, "TCP");
  }
}

void set_defaults(Service& object) {
  constexpr std::int32_t kAffinitySeconds = 10800;
  ServiceSpec& spec = object.spec;
  default_to(spec.type, "ClusterIP");
  default_to(spec.session_affinity, "None");
  if (spec.session_affinity == "None") spec.session_affinity_config.reset();
  if (spec.session_affinity == "ClientIP") {
    if (!spec.session_affinity_config) spec.session_affinity_config.emplace();
    if (!spec.session_affinity_config->client_ip) spec.session_affinity_config->client_ip.emplace();
    default_to(spec.session_affinity_config->client_ip->timeout_seconds, kAffinitySeconds);
  }
  for (ServicePort& port : spec.ports) set_defaults(port);
  bool outside = spec.type == "NodePort" || spec.type == "LoadBalancer";
  if (outside || (spec.type == "ClusterIP" && !spec.external_ips.empty())) {
    default_to(spec.external_traffic_policy, "Cluster");
  }
  if (outside || spec.type == "ClusterIP") default_to(spec.internal_traffic_policy, "Cluster");
  if (spec.type == "LoadBalancer") default_to(spec.allocate_load_balancer_node_ports, true);
}

void set_defaults(Deployment& object) {
  DeploymentSpec& spec = object.spec;
  default_to(spec.replicas, 1);
  default_to(spec.revision_history_limit, kRevisionHistory);
  default_to(spec.progress_deadline_seconds, 600);
  if (RollingUpdate* update = default_strategy(spec.strategy)) {
    default_to(update->max_unavailable, "25%");
    default_to(update->max_surge, "25%");
  }
  set_defaults(spec.pod_template.spec);
}

void set_defaults(ReplicaSet& object) {
  default_to(object.spec.replicas, 1);
  set_defaults(object.spec.pod_template.spec);
}

void set_defaults(StatefulSet& object) {
  StatefulSetSpec& spec = object.spec;
  default_to(spec.replicas, 1);
  default_to(spec.revision_history_limit, kRevisionHistory);
  default_to(spec.pod_management_policy, "OrderedReady");
  if (RollingUpdate* update = default_strategy(spec.update_strategy)) default_to(update->partition, 0);
  if (!spec.persistent_volume_claim_retention_policy) spec.persistent_volume_claim_retention_policy.emplace();
  default_to(spec.persistent_volume_claim_retention_policy->when_deleted, "Retain");
  default_to(spec.persistent_volume_claim_retention_policy->when_scaled, "Retain");
  for (PersistentVolumeClaim& claim : spec.volume_claim_templates) set_defaults(claim);
  set_defaults(spec.pod_template.spec);
}

void set_defaults(DaemonSet& object) {
  default_to(object.spec.revision_history_limit, kRevisionHistory);
  if (RollingUpdate* update = default_strategy(object.spec.update_strategy)) {
    default_to(update->max_unavailable, 1);
    default_to(update->max_surge, 0);
  }
  set_defaults(object.spec.pod_template.spec);
}

void set_defaults(Job& object) {
  constexpr std::int32_t kBackoffLimit = 6;
  JobSpec& spec = object.spec;
  if (object.metadata.labels.empty()) object.metadata.labels = spec.pod_template.metadata.labels;
  if (!spec.completions && !spec.parallelism) spec.completions = 1;
  default_to(spec.parallelism, 1);
  default_to(spec.backoff_limit,
             spec.backoff_limit_per_index ? std::numeric_limits<std::int32_t>::max() : kBackoffLimit);
  default_to(spec.completion_mode, "NonIndexed");
  default_to(spec.suspend, false);
  default_to(spec.pod_replacement_policy, "TerminatingOrFailed");
  set_defaults(spec.pod_template.spec);
}

}  // namespace keelson::kube
