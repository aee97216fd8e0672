// Pod and PodSpec (core/v1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/container.hpp"
#include "kube/meta.hpp"
#include "kube/node_selector.hpp"
#include "kube/pod_status.hpp"
#include "kube/volume.hpp"

namespace keelson::kube {

struct PodDnsConfigOption {
  std::string name;
  std::optional<std::string> value;
  bool operator==(const PodDnsConfigOption&) const = default;
};

struct PodDnsConfig {
  std::vector<std::string> nameservers;
  std::vector<std::string> searches;
  std::vector<PodDnsConfigOption> options;
  bool operator==(const PodDnsConfig&) const = default;
};

struct HostAlias {
  std::string ip;
  std::vector<std::string> hostnames;
  bool operator==(const HostAlias&) const = default;
};

struct Toleration {
  std::string key;
  std::string op;  // Exists, Equal, Lt, Gt
  std::string value;
  std::string effect;  // NoSchedule, PreferNoSchedule, NoExecute; empty: all
  std::optional<std::int64_t> toleration_seconds;
  bool operator==(const Toleration&) const = default;
};

struct NodeAffinity {
  std::optional<NodeSelector> required_during_scheduling_ignored_during_execution;
  bool operator==(const NodeAffinity&) const = default;
};

// What matters to a node; pod affinity and preferences are the scheduler's and are not carried.
struct Affinity {
  std::optional<NodeAffinity> node_affinity;
  bool operator==(const Affinity&) const = default;
};

struct PodReadinessGate {
  std::string condition_type;
  bool operator==(const PodReadinessGate&) const = default;
};

struct PodSchedulingGate {
  std::string name;
  bool operator==(const PodSchedulingGate&) const = default;
};

struct PodOs {
  std::string name;  // linux, windows
  bool operator==(const PodOs&) const = default;
};

struct PodResourceClaim {
  std::string name;
  std::optional<std::string> resource_claim_name;
  std::optional<std::string> resource_claim_template_name;
  bool operator==(const PodResourceClaim&) const = default;
};

struct PodSpec {
  std::vector<Volume> volumes;
  std::vector<Container> init_containers;
  std::vector<Container> containers;
  std::vector<EphemeralContainer> ephemeral_containers;
  std::string restart_policy;  // Always, OnFailure, Never
  std::optional<std::int64_t> termination_grace_period_seconds;
  std::optional<std::int64_t> active_deadline_seconds;
  std::string dns_policy;  // ClusterFirst, ClusterFirstWithHostNet, Default, None
  StringMap node_selector;
  std::string service_account_name;
  std::optional<bool> automount_service_account_token;
  std::string node_name;
  bool host_network = false;
  bool host_pid = false;  // hostPID
  bool host_ipc = false;  // hostIPC
  std::optional<bool> share_process_namespace;
  std::optional<PodSecurityContext> security_context;
  std::vector<LocalObjectReference> image_pull_secrets;
  std::string hostname;
  std::string subdomain;
  std::optional<Affinity> affinity;
  std::string scheduler_name;
  std::vector<Toleration> tolerations;
  std::vector<HostAlias> host_aliases;
  std::string priority_class_name;
  std::optional<std::int32_t> priority;
  std::optional<PodDnsConfig> dns_config;
  std::vector<PodReadinessGate> readiness_gates;
  std::optional<std::string> runtime_class_name;
  std::optional<bool> enable_service_links;
  std::string preemption_policy;
  ResourceList overhead;
  std::optional<bool> set_hostname_as_fqdn;  // setHostnameAsFQDN
  std::optional<PodOs> os;
  std::optional<bool> host_users;
  std::vector<PodSchedulingGate> scheduling_gates;
  std::vector<PodResourceClaim> resource_claims;
  std::optional<ResourceRequirements> resources;  // of the pod as a whole
  std::optional<std::string> hostname_override;
  bool operator==(const PodSpec&) const = default;
};

struct PodTemplateSpec {
  ObjectMeta metadata;
  PodSpec spec;
  bool operator==(const PodTemplateSpec&) const = default;
};

struct Pod {
  static constexpr const char* kApiVersion = "v1";
  static constexpr const char* kKind = "Pod";
  ObjectMeta metadata;
  PodSpec spec;
  PodStatus status;
  bool operator==(const Pod&) const = default;
};

}  // namespace keelson::kube
