// Field lists of Service and EndpointSlice.
#include "kube/endpoint_slice.hpp"
#include "kube/fields.hpp"
#include "kube/service.hpp"

namespace keelson::kube {

KEELSON_FIELDS_EXTERN(ObjectMeta);
KEELSON_FIELDS_EXTERN(ObjectReference);

template <>
struct Fields<ServicePort> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("protocol", o.protocol);
    v("appProtocol", o.app_protocol);
    v.always("port", o.port);
    v("targetPort", o.target_port);
    v("nodePort", o.node_port);
  }
};
template <>
struct Fields<ClientIpConfig> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("timeoutSeconds", o.timeout_seconds);
  }
};
template <>
struct Fields<SessionAffinityConfig> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("clientIP", o.client_ip);
  }
};
template <>
struct Fields<ServiceSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("ports", o.ports);
    v("selector", o.selector);
    v("clusterIP", o.cluster_ip);
    v("clusterIPs", o.cluster_ips);
    v("type", o.type);
    v("externalIPs", o.external_ips);
    v("sessionAffinity", o.session_affinity);
    v("loadBalancerIP", o.load_balancer_ip);
    v("loadBalancerSourceRanges", o.load_balancer_source_ranges);
    v("externalName", o.external_name);
    v("externalTrafficPolicy", o.external_traffic_policy);
    v("healthCheckNodePort", o.health_check_node_port);
    v("publishNotReadyAddresses", o.publish_not_ready_addresses);
    v("sessionAffinityConfig", o.session_affinity_config);
    v("ipFamilies", o.ip_families);
    v("ipFamilyPolicy", o.ip_family_policy);
    v("allocateLoadBalancerNodePorts", o.allocate_load_balancer_node_ports);
    v("loadBalancerClass", o.load_balancer_class);
    v("internalTrafficPolicy", o.internal_traffic_policy);
    v("trafficDistribution", o.traffic_distribution);
  }
};
template <>
struct Fields<LoadBalancerIngress> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("ip", o.ip);
    v("hostname", o.hostname);
    v("ipMode", o.ip_mode);
    v.ignore("ports");
  }
};
template <>
struct Fields<LoadBalancerStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("ingress", o.ingress);
  }
};
template <>
struct Fields<ServiceStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("loadBalancer", o.load_balancer);
    v.ignore("conditions");
  }
};
template <>
struct Fields<Service> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
    v("status", o.status);
  }
};
template <>
struct Fields<EndpointConditions> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("ready", o.ready);
    v("serving", o.serving);
    v("terminating", o.terminating);
  }
};
template <>
struct Fields<EndpointHints> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.names("forZones", o.for_zones);
    v.names("forNodes", o.for_nodes);
  }
};
template <>
struct Fields<Endpoint> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("addresses", o.addresses);
    v("conditions", o.conditions);
    v("hostname", o.hostname);
    v("targetRef", o.target_ref);
    v("nodeName", o.node_name);
    v("zone", o.zone);
    v("hints", o.hints);
    v.ignore("deprecatedTopology");
  }
};
template <>
struct Fields<EndpointPort> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("protocol", o.protocol);
    v("port", o.port);
    v("appProtocol", o.app_protocol);
  }
};
template <>
struct Fields<EndpointSlice> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v.always("addressType", o.address_type);
    v.always("endpoints", o.endpoints);
    v("ports", o.ports);
  }
};

KEELSON_FIELDS_DEFINE(Service);
KEELSON_FIELDS_DEFINE(EndpointSlice);

}  // namespace keelson::kube
