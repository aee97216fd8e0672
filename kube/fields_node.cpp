// Field lists of Node and Lease.
#include "kube/fields.hpp"
#include "kube/lease.hpp"
#include "kube/node.hpp"

namespace keelson::kube {

KEELSON_FIELDS_EXTERN(ObjectMeta);

template <>
struct Fields<Taint> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("key", o.key);
    v("value", o.value);
    v.always("effect", o.effect);
    v("timeAdded", o.time_added);
  }
};
template <>
struct Fields<NodeSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("podCIDR", o.pod_cidr);
    v("podCIDRs", o.pod_cidrs);
    v("providerID", o.provider_id);
    v("unschedulable", o.unschedulable);
    v("taints", o.taints);
    v.ignore("configSource");
    v.ignore("externalID");
  }
};
template <>
struct Fields<NodeAddress> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("type", o.type);
    v.always("address", o.address);
  }
};
template <>
struct Fields<NodeCondition> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("type", o.type);
    v.always("status", o.status);
    v("lastHeartbeatTime", o.last_heartbeat_time);
    v("lastTransitionTime", o.last_transition_time);
    v("reason", o.reason);
    v("message", o.message);
  }
};
template <>
struct Fields<NodeSwapStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("capacity", o.capacity);
  }
};
template <>
struct Fields<NodeSystemInfo> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("machineID", o.machine_id);
    v.always("systemUUID", o.system_uuid);
    v.always("bootID", o.boot_id);
    v.always("kernelVersion", o.kernel_version);
    v.always("osImage", o.os_image);
    v.always("containerRuntimeVersion", o.container_runtime_version);
    v.always("kubeletVersion", o.kubelet_version);
    v.always("kubeProxyVersion", o.kube_proxy_version);
    v.always("operatingSystem", o.operating_system);
    v.always("architecture", o.architecture);
    v("swap", o.swap);
  }
};
template <>
struct Fields<ContainerImage> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("names", o.names);
    v("sizeBytes", o.size_bytes);
  }
};
template <>
struct Fields<AttachedVolume> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v.always("devicePath", o.device_path);
  }
};
template <>
struct Fields<DaemonEndpoint> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("Port", o.port);
  }
};
template <>
struct Fields<NodeDaemonEndpoints> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("kubeletEndpoint", o.kubelet_endpoint);
  }
};
template <>
struct Fields<NodeRuntimeHandlerFeatures> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("recursiveReadOnlyMounts", o.recursive_read_only_mounts);
    v("userNamespaces", o.user_namespaces);
  }
};
template <>
struct Fields<NodeRuntimeHandler> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v("features", o.features);
  }
};
template <>
struct Fields<NodeFeatures> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("supplementalGroupsPolicy", o.supplemental_groups_policy);
  }
};
template <>
struct Fields<NodeStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("capacity", o.capacity);
    v("allocatable", o.allocatable);
    v("conditions", o.conditions);
    v("addresses", o.addresses);
    v.always("daemonEndpoints", o.daemon_endpoints);
    v.always("nodeInfo", o.node_info);
    v("images", o.images);
    v("volumesInUse", o.volumes_in_use);
    v("volumesAttached", o.volumes_attached);
    v("runtimeHandlers", o.runtime_handlers);
    v("features", o.features);
    v.ignore("phase");
    v.ignore("config");  // of dynamic kubelet configuration, which is gone
    v.ignore("declaredFeatures");
  }
};
template <>
struct Fields<Node> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
    v("status", o.status);
  }
};
template <>
struct Fields<LeaseSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("holderIdentity", o.holder_identity);
    v("leaseDurationSeconds", o.lease_duration_seconds);
    v.micro("acquireTime", o.acquire_time);
    v.micro("renewTime", o.renew_time);
    v("leaseTransitions", o.lease_transitions);
    v.ignore("strategy");  // of coordinated leader election
    v.ignore("preferredHolder");
  }
};
template <>
struct Fields<Lease> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
  }
};

KEELSON_FIELDS_DEFINE(Node);
KEELSON_FIELDS_DEFINE(Lease);

}  // namespace keelson::kube
