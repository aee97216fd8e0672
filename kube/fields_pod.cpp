// Field lists of Pod and PodSpec.
#include "kube/fields.hpp"
#include "kube/pod.hpp"

namespace keelson::kube {

KEELSON_FIELDS_EXTERN(ObjectMeta);
KEELSON_FIELDS_EXTERN(LocalObjectReference);
KEELSON_FIELDS_EXTERN(ResourceRequirements);
KEELSON_FIELDS_EXTERN(Container);
KEELSON_FIELDS_EXTERN(EphemeralContainer);
KEELSON_FIELDS_EXTERN(PodSecurityContext);
KEELSON_FIELDS_EXTERN(Volume);
KEELSON_FIELDS_EXTERN(NodeSelector);
KEELSON_FIELDS_EXTERN(PodStatus);

template <>
struct Fields<PodDnsConfigOption> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("value", o.value);
  }
};
template <>
struct Fields<PodDnsConfig> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("nameservers", o.nameservers);
    v("searches", o.searches);
    v("options", o.options);
  }
};
template <>
struct Fields<HostAlias> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("ip", o.ip);
    v("hostnames", o.hostnames);
  }
};
template <>
struct Fields<Toleration> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("key", o.key);
    v("operator", o.op);
    v("value", o.value);
    v("effect", o.effect);
    v("tolerationSeconds", o.toleration_seconds);
  }
};
template <>
struct Fields<NodeAffinity> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("requiredDuringSchedulingIgnoredDuringExecution", o.required_during_scheduling_ignored_during_execution);
    v.ignore("preferredDuringSchedulingIgnoredDuringExecution");
  }
};
template <>
struct Fields<Affinity> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("nodeAffinity", o.node_affinity);
    v.ignore("podAffinity");
    v.ignore("podAntiAffinity");
  }
};
template <>
struct Fields<PodReadinessGate> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("conditionType", o.condition_type);
  }
};
template <>
struct Fields<PodSchedulingGate> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
  }
};
template <>
struct Fields<PodOs> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
  }
};
template <>
struct Fields<PodResourceClaim> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v("resourceClaimName", o.resource_claim_name);
    v("resourceClaimTemplateName", o.resource_claim_template_name);
  }
};
template <>
struct Fields<PodSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("volumes", o.volumes);
    v("initContainers", o.init_containers);
    v.always("containers", o.containers);
    v("ephemeralContainers", o.ephemeral_containers);
    v("restartPolicy", o.restart_policy);
    v("terminationGracePeriodSeconds", o.termination_grace_period_seconds);
    v("activeDeadlineSeconds", o.active_deadline_seconds);
    v("dnsPolicy", o.dns_policy);
    v("nodeSelector", o.node_selector);
    if constexpr (V::kReading) v("serviceAccount", o.service_account_name);  // its older name; the newer one wins
    v("serviceAccountName", o.service_account_name);
    v("automountServiceAccountToken", o.automount_service_account_token);
    v("nodeName", o.node_name);
    v("hostNetwork", o.host_network);
    v("hostPID", o.host_pid);
    v("hostIPC", o.host_ipc);
    v("shareProcessNamespace", o.share_process_namespace);
    v("securityContext", o.security_context);
    v("imagePullSecrets", o.image_pull_secrets);
    v("hostname", o.hostname);
    v("subdomain", o.subdomain);
    v("affinity", o.affinity);
    v("schedulerName", o.scheduler_name);
    v("tolerations", o.tolerations);
    v("hostAliases", o.host_aliases);
    v("priorityClassName", o.priority_class_name);
    v("priority", o.priority);
    v("dnsConfig", o.dns_config);
    v("readinessGates", o.readiness_gates);
    v("runtimeClassName", o.runtime_class_name);
    v("enableServiceLinks", o.enable_service_links);
    v("preemptionPolicy", o.preemption_policy);
    v("overhead", o.overhead);
    v("setHostnameAsFQDN", o.set_hostname_as_fqdn);
    v("os", o.os);
    v("hostUsers", o.host_users);
    v("schedulingGates", o.scheduling_gates);
    v("resourceClaims", o.resource_claims);
    v("resources", o.resources);
    v("hostnameOverride", o.hostname_override);
    v.ignore("topologySpreadConstraints");
    v.ignore("workloadRef");
  }
};
template <>
struct Fields<PodTemplateSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
  }
};
template <>
struct Fields<Pod> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
    v("status", o.status);
  }
};

KEELSON_FIELDS_DEFINE(PodSpec);
KEELSON_FIELDS_DEFINE(PodTemplateSpec);
KEELSON_FIELDS_DEFINE(Pod);

}  // namespace keelson::kube
