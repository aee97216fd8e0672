// What the Service proxy serves: its health on :10256, its metrics on 127.0.0.1:10249, and the health check node ports
// of Services. In the full agent and in `keelson proxy` alike.
//   healthz: /healthz, /livez;  metrics: /metrics, /metrics/slis, /healthz, /proxyMode, /configz
// After k8s.io/kubernetes cmd/kube-proxy/app/server.go.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/config/options.hpp"
#include "agent/proxy/health.hpp"
#include "agent/proxy/health_check_servers.hpp"
#include "agent/proxy/metrics.hpp"
#include "agent/server/router.hpp"
#include "base/clock.hpp"
#include "base/task_group.hpp"

namespace keelson::agent {

struct ProxyServingSeams {
  // Whether load balancers may choose the node; nothing: there is no Node to say so (no cluster).
  std::function<std::optional<bool>()> eligible;
  std::function<void(stats::MetricText&)> more_metrics;  // of others in this process; may be empty
  // An event about a Service, "namespace/name": type Warning. May be empty.
  std::function<void(const std::string& service, const std::string& reason, const std::string& message)> on_event;
};

class ProxyServing {
 public:
  // `proxier` must outlive this; its on_sync() is taken.
  ProxyServing(Executor executor, const Clock& clock, const Options& options, proxy::Proxier& proxier,
               ProxyServingSeams seams);

  // Begins to serve. An address that cannot be bound is tried again every 5 s, or is the error with
  // bindAddressHardFail. Other errors: an option that is no address.
  Result<void> start();
  Awaitable<void> stop();

 private:
  void add_health_routes();
  void add_metric_routes();
  Result<void> serve(TcpServer& server, const char* what, Result<BindAddress> where);
  Awaitable<void> keep_trying(TcpServer& server, const char* what, BindAddress where);
  [[nodiscard]] std::vector<FamilyHealth> health() const;
  Awaitable<void> get_healthz(Exchange& x);
  Awaitable<void> get_livez(Exchange& x);
  Awaitable<void> get_metrics(Exchange& x);
  Awaitable<void> get_slis(Exchange& x);

  const Clock& clock_;
  const Options& options_;
  proxy::Proxier& proxier_;
  ProxyServingSeams seams_;
  Router health_routes_, metric_routes_;
  TcpServer health_server_, metric_server_;
  HealthCheckServers node_ports_;
  ProbeCounts probes_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
