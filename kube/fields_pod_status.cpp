// Field lists of a pod's status.
#include "kube/fields.hpp"
#include "kube/pod_status.hpp"

namespace keelson::kube {

KEELSON_FIELDS_EXTERN(ResourceRequirements);

template <>
struct Fields<PodCondition> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("type", o.type);
    v.always("status", o.status);
    v("observedGeneration", o.observed_generation);
    v("lastProbeTime", o.last_probe_time);
    v("lastTransitionTime", o.last_transition_time);
    v("reason", o.reason);
    v("message", o.message);
  }
};
template <>
struct Fields<ContainerStateWaiting> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("reason", o.reason);
    v("message", o.message);
  }
};
template <>
struct Fields<ContainerStateRunning> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("startedAt", o.started_at);
  }
};
template <>
struct Fields<ContainerStateTerminated> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("exitCode", o.exit_code);
    v("signal", o.signal);
    v("reason", o.reason);
    v("message", o.message);
    v("startedAt", o.started_at);
    v("finishedAt", o.finished_at);
    v("containerID", o.container_id);
  }
};
template <>
struct Fields<ContainerState> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("waiting", o.waiting);
    v("running", o.running);
    v("terminated", o.terminated);
  }
};
template <>
struct Fields<VolumeMountStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v.always("mountPath", o.mount_path);
    v("readOnly", o.read_only);
    v("recursiveReadOnly", o.recursive_read_only);
  }
};
template <>
struct Fields<LinuxContainerUser> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("uid", o.uid);
    v.always("gid", o.gid);
    v("supplementalGroups", o.supplemental_groups);
  }
};
template <>
struct Fields<ContainerUser> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("linux", o.linux_user);
  }
};
template <>
struct Fields<ContainerStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v.always("state", o.state);
    v.always("lastState", o.last_state);
    v.always("ready", o.ready);
    v.always("restartCount", o.restart_count);
    v.always("image", o.image);
    v.always("imageID", o.image_id);
    v("containerID", o.container_id);
    v("started", o.started);
    v("allocatedResources", o.allocated_resources);
    v("resources", o.resources);
    v("volumeMounts", o.volume_mounts);
    v("user", o.user);
    v("stopSignal", o.stop_signal);
    v.ignore("allocatedResourcesStatus");
  }
};
template <>
struct Fields<IpEntry> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("ip", o.ip);
  }
};
template <>
struct Fields<PodStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("observedGeneration", o.observed_generation);
    v("phase", o.phase);
    v("conditions", o.conditions);
    v("message", o.message);
    v("reason", o.reason);
    v("nominatedNodeName", o.nominated_node_name);
    v("hostIP", o.host_ip);
    v("hostIPs", o.host_ips);
    v("podIP", o.pod_ip);
    v("podIPs", o.pod_ips);
    v("startTime", o.start_time);
    v("initContainerStatuses", o.init_container_statuses);
    v("containerStatuses", o.container_statuses);
    v("qosClass", o.qos_class);
    v("ephemeralContainerStatuses", o.ephemeral_container_statuses);
    v("resize", o.resize);
    v.ignore("resourceClaimStatuses");
    v.ignore("extendedResourceClaimStatus");
    v.ignore("allocatedResources");
    v.ignore("resources");
  }
};

KEELSON_FIELDS_DEFINE(PodStatus);

}  // namespace keelson::kube
