// Deployment, ReplicaSet, StatefulSet, DaemonSet (apps/v1) and Job (batch/v1): what expands into pods.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/int_or_string.hpp"
#include "kube/meta.hpp"
#include "kube/pod.hpp"
#include "kube/storage.hpp"

namespace keelson::kube {

struct RollingUpdate {
  std::optional<IntOrString> max_unavailable;
  std::optional<IntOrString> max_surge;
  std::optional<std::int32_t> partition;  // StatefulSet only
  bool operator==(const RollingUpdate&) const = default;
};

// Deployment: RollingUpdate or Recreate. StatefulSet and DaemonSet: RollingUpdate or OnDelete.
struct UpdateStrategy {
  std::string type;
  std::optional<RollingUpdate> rolling_update;
  bool operator==(const UpdateStrategy&) const = default;
};

// The counts that the status of every workload in apps/v1 is made of; each kind shows its own part of them.
struct WorkloadStatus {
  std::int64_t observed_generation = 0;
  std::int32_t replicas = 0;
  std::int32_t updated_replicas = 0;
  std::int32_t ready_replicas = 0;
  std::int32_t available_replicas = 0;
  std::int32_t unavailable_replicas = 0;
  bool operator==(const WorkloadStatus&) const = default;
};

struct DeploymentSpec {
  std::optional<std::int32_t> replicas;
  std::optional<LabelSelector> selector;
  PodTemplateSpec pod_template;
  UpdateStrategy strategy;
  std::int32_t min_ready_seconds = 0;
  std::optional<std::int32_t> revision_history_limit;
  bool paused = false;
  std::optional<std::int32_t> progress_deadline_seconds;
  bool operator==(const DeploymentSpec&) const = default;
};

struct Deployment {
  static constexpr const char* kApiVersion = "apps/v1";
  static constexpr const char* kKind = "Deployment";
  ObjectMeta metadata;
  DeploymentSpec spec;
  WorkloadStatus status;
  bool operator==(const Deployment&) const = default;
};

struct ReplicaSetSpec {
  std::optional<std::int32_t> replicas;
  std::int32_t min_ready_seconds = 0;
  std::optional<LabelSelector> selector;
  PodTemplateSpec pod_template;
  bool operator==(const ReplicaSetSpec&) const = default;
};

struct ReplicaSet {
  static constexpr const char* kApiVersion = "apps/v1";
  static constexpr const char* kKind = "ReplicaSet";
  ObjectMeta metadata;
  ReplicaSetSpec spec;
  WorkloadStatus status;
  bool operator==(const ReplicaSet&) const = default;
};

struct StatefulSetOrdinals {
  std::int32_t start = 0;
  bool operator==(const StatefulSetOrdinals&) const = default;
};

struct ClaimRetentionPolicy {
  std::string when_deleted;  // Retain, Delete
  std::string when_scaled;
  bool operator==(const ClaimRetentionPolicy&) const = default;
};

struct StatefulSetSpec {
  std::optional<std::int32_t> replicas;
  std::optional<LabelSelector> selector;
  PodTemplateSpec pod_template;
  std::vector<PersistentVolumeClaim> volume_claim_templates;
  std::string service_name;
  std::string pod_management_policy;  // OrderedReady, Parallel
  UpdateStrategy update_strategy;
  std::optional<std::int32_t> revision_history_limit;
  std::int32_t min_ready_seconds = 0;
  std::optional<ClaimRetentionPolicy> persistent_volume_claim_retention_policy;
  std::optional<StatefulSetOrdinals> ordinals;
  bool operator==(const StatefulSetSpec&) const = default;
};

struct StatefulSet {
  static constexpr const char* kApiVersion = "apps/v1";
  static constexpr const char* kKind = "StatefulSet";
  ObjectMeta metadata;
  StatefulSetSpec spec;
  WorkloadStatus status;
  bool operator==(const StatefulSet&) const = default;
};

struct DaemonSetSpec {
  std::optional<LabelSelector> selector;
  PodTemplateSpec pod_template;
  UpdateStrategy update_strategy;
  std::int32_t min_ready_seconds = 0;
  std::optional<std::int32_t> revision_history_limit;
  bool operator==(const DaemonSetSpec&) const = default;
};

struct DaemonSet {
  static constexpr const char* kApiVersion = "apps/v1";
  static constexpr const char* kKind = "DaemonSet";
  ObjectMeta metadata;
  DaemonSetSpec spec;
  bool operator==(const DaemonSet&) const = default;
};

struct JobSpec {
  std::optional<std::int32_t> parallelism;
  std::optional<std::int32_t> completions;
  std::optional<std::int64_t> active_deadline_seconds;
  std::optional<std::int32_t> backoff_limit;
  std::optional<std::int32_t> backoff_limit_per_index;
  std::optional<std::int32_t> max_failed_indexes;
  std::optional<LabelSelector> selector;
  std::optional<bool> manual_selector;
  PodTemplateSpec pod_template;
  std::optional<std::int32_t> ttl_seconds_after_finished;
  std::string completion_mode;  // NonIndexed, Indexed
  std::optional<bool> suspend;
  std::string pod_replacement_policy;  // TerminatingOrFailed, Failed
  bool operator==(const JobSpec&) const = default;
};

struct JobStatus {
  std::optional<Time> start_time;
  std::optional<Time> completion_time;
  std::int32_t active = 0;
  std::int32_t succeeded = 0;
  std::int32_t failed = 0;
  bool operator==(const JobStatus&) const = default;
};

struct Job {
  static constexpr const char* kApiVersion = "batch/v1";
  static constexpr const char* kKind = "Job";
  ObjectMeta metadata;
  JobSpec spec;
  JobStatus status;
  bool operator==(const Job&) const = default;
};

}  // namespace keelson::kube
