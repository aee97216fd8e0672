// Field lists of containers.
#include "kube/container.hpp"
#include "kube/fields.hpp"

namespace keelson::kube {

KEELSON_FIELDS_EXTERN(Probe);
KEELSON_FIELDS_EXTERN(Lifecycle);
KEELSON_FIELDS_EXTERN(SecurityContext);

template <>
struct Fields<ContainerPort> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("hostPort", o.host_port);
    v.always("containerPort", o.container_port);
    v("protocol", o.protocol);
    v("hostIP", o.host_ip);
  }
};
template <>
struct Fields<ObjectFieldSelector> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("apiVersion", o.api_version);
    v.always("fieldPath", o.field_path);
  }
};
template <>
struct Fields<ResourceFieldSelector> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("containerName", o.container_name);
    v.always("resource", o.resource);
    v.always("divisor", o.divisor);
  }
};
template <>
struct Fields<KeySelector> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v.always("key", o.key);
    v("optional", o.optional);
  }
};
template <>
struct Fields<FileKeySelector> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("volumeName", o.volume_name);
    v.always("path", o.path);
    v.always("key", o.key);
    v("optional", o.optional);
  }
};
template <>
struct Fields<EnvVarSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("fieldRef", o.field_ref);
    v("resourceFieldRef", o.resource_field_ref);
    v("configMapKeyRef", o.config_map_key_ref);
    v("secretKeyRef", o.secret_key_ref);
    v("fileKeyRef", o.file_key_ref);
  }
};
template <>
struct Fields<EnvVar> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v("value", o.value);
    v("valueFrom", o.value_from);
  }
};
template <>
struct Fields<EnvFromRef> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("optional", o.optional);
  }
};
template <>
struct Fields<EnvFromSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("prefix", o.prefix);
    v("configMapRef", o.config_map_ref);
    v("secretRef", o.secret_ref);
  }
};
template <>
struct Fields<ResourceClaimRef> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v("request", o.request);
  }
};
template <>
struct Fields<ResourceRequirements> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("limits", o.limits);
    v("requests", o.requests);
    v("claims", o.claims);
  }
};
template <>
struct Fields<ContainerResizePolicy> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("resourceName", o.resource_name);
    v.always("restartPolicy", o.restart_policy);
  }
};
template <>
struct Fields<ContainerRestartRule::ExitCodes> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("operator", o.op);
    v("values", o.values);
  }
};
template <>
struct Fields<ContainerRestartRule> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("action", o.action);
    v("exitCodes", o.exit_codes);
  }
};
template <>
struct Fields<VolumeMount> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v("readOnly", o.read_only);
    v("recursiveReadOnly", o.recursive_read_only);
    v.always("mountPath", o.mount_path);
    v("subPath", o.sub_path);
    v("mountPropagation", o.mount_propagation);
    v("subPathExpr", o.sub_path_expr);
  }
};
template <>
struct Fields<VolumeDevice> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v.always("devicePath", o.device_path);
  }
};
template <>
struct Fields<Container> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v("image", o.image);
    v("command", o.command);
    v("args", o.args);
    v("workingDir", o.working_dir);
    v("ports", o.ports);
    v("envFrom", o.env_from);
    v("env", o.env);
    v.always("resources", o.resources);
    v("resizePolicy", o.resize_policy);
    v("restartPolicy", o.restart_policy);
    v("restartPolicyRules", o.restart_policy_rules);
    v("volumeMounts", o.volume_mounts);
    v("volumeDevices", o.volume_devices);
    v("livenessProbe", o.liveness_probe);
    v("readinessProbe", o.readiness_probe);
    v("startupProbe", o.startup_probe);
    v("lifecycle", o.lifecycle);
    v("terminationMessagePath", o.termination_message_path);
    v("terminationMessagePolicy", o.termination_message_policy);
    v("imagePullPolicy", o.image_pull_policy);
    v("securityContext", o.security_context);
    v("stdin", o.stdin_open);
    v("stdinOnce", o.stdin_once);
    v("tty", o.tty);
  }
};
template <>
struct Fields<EphemeralContainer> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    Fields<Container>::visit(v, o);
    v("targetContainerName", o.target_container_name);
  }
};

KEELSON_FIELDS_DEFINE(ObjectFieldSelector);
KEELSON_FIELDS_DEFINE(ResourceFieldSelector);
KEELSON_FIELDS_DEFINE(ResourceRequirements);
KEELSON_FIELDS_DEFINE(Container);
KEELSON_FIELDS_DEFINE(EphemeralContainer);

}  // namespace keelson::kube
