// Field lists of the workloads.
#include "kube/fields.hpp"
#include "kube/workload.hpp"

namespace keelson::kube {

KEELSON_FIELDS_EXTERN(ObjectMeta);
KEELSON_FIELDS_EXTERN(LabelSelector);
KEELSON_FIELDS_EXTERN(PodTemplateSpec);
KEELSON_FIELDS_EXTERN(PersistentVolumeClaim);

template <>
struct Fields<RollingUpdate> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("maxUnavailable", o.max_unavailable);
    v("maxSurge", o.max_surge);
    v("partition", o.partition);
  }
};
template <>
struct Fields<UpdateStrategy> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("type", o.type);
    v("rollingUpdate", o.rolling_update);
  }
};
template <>
struct Fields<WorkloadStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("observedGeneration", o.observed_generation);
    v("replicas", o.replicas);
    v("updatedReplicas", o.updated_replicas);
    v("readyReplicas", o.ready_replicas);
    v("availableReplicas", o.available_replicas);
    v("unavailableReplicas", o.unavailable_replicas);
    v.ignore("conditions");
    v.ignore("collisionCount");
    v.ignore("currentReplicas");
    v.ignore("currentRevision");
    v.ignore("updateRevision");
    v.ignore("fullyLabeledReplicas");
    v.ignore("terminatingReplicas");
  }
};
template <>
struct Fields<DeploymentSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("replicas", o.replicas);
    v("selector", o.selector);
    v("template", o.pod_template);
    v("strategy", o.strategy);
    v("minReadySeconds", o.min_ready_seconds);
    v("revisionHistoryLimit", o.revision_history_limit);
    v("paused", o.paused);
    v("progressDeadlineSeconds", o.progress_deadline_seconds);
  }
};
template <>
struct Fields<Deployment> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
    v("status", o.status);
  }
};
template <>
struct Fields<ReplicaSetSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("replicas", o.replicas);
    v("minReadySeconds", o.min_ready_seconds);
    v("selector", o.selector);
    v("template", o.pod_template);
  }
};
template <>
struct Fields<ReplicaSet> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
    v("status", o.status);
  }
};
template <>
struct Fields<StatefulSetOrdinals> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("start", o.start);
  }
};
template <>
struct Fields<ClaimRetentionPolicy> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("whenDeleted", o.when_deleted);
    v("whenScaled", o.when_scaled);
  }
};
template <>
struct Fields<StatefulSetSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("replicas", o.replicas);
    v("selector", o.selector);
    v("template", o.pod_template);
    v("volumeClaimTemplates", o.volume_claim_templates);
    v("serviceName", o.service_name);
    v("podManagementPolicy", o.pod_management_policy);
    v("updateStrategy", o.update_strategy);
    v("revisionHistoryLimit", o.revision_history_limit);
    v("minReadySeconds", o.min_ready_seconds);
    v("persistentVolumeClaimRetentionPolicy", o.persistent_volume_claim_retention_policy);
    v("ordinals", o.ordinals);
  }
};
template <>
struct Fields<StatefulSet> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
    v("status", o.status);
  }
};
template <>
struct Fields<DaemonSetSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("selector", o.selector);
    v("template", o.pod_template);
    v("updateStrategy", o.update_strategy);
    v("minReadySeconds", o.min_ready_seconds);
    v("revisionHistoryLimit", o.revision_history_limit);
  }
};
template <>
struct Fields<DaemonSet> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
    v.ignore("status");
  }
};
template <>
struct Fields<JobSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("parallelism", o.parallelism);
    v("completions", o.completions);
    v("activeDeadlineSeconds", o.active_deadline_seconds);
    v("backoffLimit", o.backoff_limit);
    v("backoffLimitPerIndex", o.backoff_limit_per_index);
    v("maxFailedIndexes", o.max_failed_indexes);
    v("selector", o.selector);
    v("manualSelector", o.manual_selector);
    v("template", o.pod_template);
    v("ttlSecondsAfterFinished", o.ttl_seconds_after_finished);
    v("completionMode", o.completion_mode);
    v("suspend", o.suspend);
    v("podReplacementPolicy", o.pod_replacement_policy);
    v.unsupported("podFailurePolicy");
    v.unsupported("successPolicy");
    v.ignore("managedBy");
  }
};
template <>
struct Fields<JobStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("startTime", o.start_time);
    v("completionTime", o.completion_time);
    v("active", o.active);
    v("succeeded", o.succeeded);
    v("failed", o.failed);
    v.ignore("conditions");
    v.ignore("completedIndexes");
    v.ignore("failedIndexes");
    v.ignore("ready");
    v.ignore("terminating");
    v.ignore("uncountedTerminatedPods");
  }
};
template <>
struct Fields<Job> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
    v("status", o.status);
  }
};

KEELSON_FIELDS_DEFINE(Deployment);
KEELSON_FIELDS_DEFINE(ReplicaSet);
KEELSON_FIELDS_DEFINE(StatefulSet);
KEELSON_FIELDS_DEFINE(DaemonSet);
KEELSON_FIELDS_DEFINE(Job);

}  // namespace keelson::kube
