// Field lists of probes and lifecycle hooks.
#include "kube/fields.hpp"
#include "kube/probe.hpp"

namespace keelson::kube {

template <>
struct Fields<ExecAction> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("command", o.command);
  }
};
template <>
struct Fields<HttpHeader> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v.always("value", o.value);
  }
};
template <>
struct Fields<HttpGetAction> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("path", o.path);
    v.always("port", o.port);
    v("host", o.host);
    v("scheme", o.scheme);
    v("httpHeaders", o.http_headers);
  }
};
template <>
struct Fields<TcpSocketAction> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("port", o.port);
    v("host", o.host);
  }
};
template <>
struct Fields<GrpcAction> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("port", o.port);
    v("service", o.service);
  }
};
template <>
struct Fields<Probe> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("exec", o.exec);
    v("httpGet", o.http_get);
    v("tcpSocket", o.tcp_socket);
    v("grpc", o.grpc);
    v("initialDelaySeconds", o.initial_delay_seconds);
    v("timeoutSeconds", o.timeout_seconds);
    v("periodSeconds", o.period_seconds);
    v("successThreshold", o.success_threshold);
    v("failureThreshold", o.failure_threshold);
    v("terminationGracePeriodSeconds", o.termination_grace_period_seconds);
  }
};
template <>
struct Fields<SleepAction> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("seconds", o.seconds);
  }
};
template <>
struct Fields<LifecycleHandler> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("exec", o.exec);
    v("httpGet", o.http_get);
    v("tcpSocket", o.tcp_socket);
    v("sleep", o.sleep);
  }
};
template <>
struct Fields<Lifecycle> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("postStart", o.post_start);
    v("preStop", o.pre_stop);
    v("stopSignal", o.stop_signal);
  }
};

KEELSON_FIELDS_DEFINE(Probe);
KEELSON_FIELDS_DEFINE(Lifecycle);

}  // namespace keelson::kube
