// Serves the health check node ports of Services of type LoadBalancer with externalTrafficPolicy Local: one listener
// per Service, opened and closed as they come and go. After k8s.io/kubernetes pkg/proxy/healthcheck/service_health.go.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/server/tcp_server.hpp"
#include "base/notifier.hpp"
#include "proxy/health_ports.hpp"

namespace keelson::agent {

struct HealthCheckSeams {
  std::function<const proxy::HealthPorts&()> ports;     // as they should be
  std::function<std::vector<std::string>()> addresses;  // to listen on, at each opening
  std::function<bool()> healthy;                        // the proxy is
  // A port cannot be listened on; told once until that succeeds. `service` is "namespace/name".
  std::function<void(const std::string& service, const std::string& message)> on_failure;
};

class HealthCheckServers {
 public:
  HealthCheckServers(Executor executor, HealthCheckSeams seams);

  // The ports are others, or their numbers.
  void changed() { wake_.notify(); }
  // Opens and closes until cancelled; what cannot be opened is tried again every 30 s.
  Awaitable<void> run();
  Awaitable<void> stop();

 private:
  struct Open {
    std::uint16_t port = 0;
    std::vector<std::unique_ptr<TcpServer>> servers;  // none: failed
    std::string error;
  };
  Awaitable<void> reconcile();
  void open(const std::string& service, std::uint16_t port);
  Awaitable<void> close(Open open);
  Awaitable<void> answer(std::string service, ResponseWriter& response);

  Executor executor_;
  HealthCheckSeams seams_;
  Notifier wake_;
  std::map<std::string, Open> open_;  // by "namespace/name"
};

}  // namespace keelson::agent
