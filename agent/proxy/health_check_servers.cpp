#include "agent/proxy/health_check_servers.hpp"

#include <algorithm>

#include "agent/proxy/health.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

constexpr Seconds kRetry(30);
constexpr unsigned kConnections = 64;  // of one port: some load balancers with a few checkers each

}  // namespace

HealthCheckServers::HealthCheckServers(Executor executor, HealthCheckSeams seams)
    : executor_(executor), seams_(std::move(seams)), wake_(executor) {}

Awaitable<void> HealthCheckServers::run() {
  for (;;) {
    co_await reconcile();
    const bool failed = std::any_of(open_.begin(), open_.end(), [](const auto& o) { return o.second.servers.empty(); });
    std::optional<SteadyTime> deadline;
    if (failed) deadline = std::chrono::steady_clock::now() + kRetry;
    co_await wake_.wait_until(deadline);
  }
}

// Closes first: a port may go from one Service to another.
Awaitable<void> HealthCheckServers::reconcile() {
  std::vector<Open> closing;
  for (auto it = open_.begin(); it != open_.end();) {
    const auto wanted = seams_.ports().find(it->first);
    if (wanted != seams_.ports().end() && wanted->second.port == it->second.port) {
      ++it;
      continue;
    }
    closing.push_back(std::move(it->second));
    it = open_.erase(it);
  }
  for (Open& old : closing) co_await close(std::move(old));
  const proxy::HealthPorts wanted = seams_.ports();
  for (const auto& [service, port] : wanted) {
    const auto known = open_.find(service);
    if (known == open_.end() || known->second.servers.empty()) open(service, port.port);
  }
}

void HealthCheckServers::open(const std::string& service, std::uint16_t port) {
  Open& slot = open_[service];
  slot.port = port;
  std::string error;
  for (const std::string& address : seams_.addresses()) {
    auto server = std::make_unique<TcpServer>(
        executor_, "health check of Service " + service, kConnections,
        [this, service](HttpRequest&, ResponseWriter& response) { return answer(service, response); });
    const auto started = server->start(address, port);
    if (started) {
      slot.servers.push_back(std::move(server));
    } else {
      error = started.error().message;
    }
  }
  if (!error.empty() && error != slot.error) {
    log_warn("health check node port not served", {{"service", service}, {"error", error}});
    seams_.on_failure(service, "node health check for Service " + service + " failed to start: " + error);
  }
  slot.error = error;
}

Awaitable<void> HealthCheckServers::close(Open open) {
  for (const auto& server : open.servers) co_await server->stop();
}

Awaitable<void> HealthCheckServers::stop() {
  auto all = std::exchange(open_, {});
  for (auto& [service, open] : all) co_await close(std::move(open));
}

Awaitable<void> HealthCheckServers::answer(std::string service, ResponseWriter& response) {
  const auto port = seams_.ports().find(service);
  const std::size_t endpoints = port == seams_.ports().end() ? 0 : port->second.local_endpoints;
  HealthAnswer answer = service_health_answer(service, endpoints, seams_.healthy());
  NamedValues headers = {{"X-Content-Type-Options", "nosniff"},
                         {"X-Load-Balancing-Endpoint-Weight", std::to_string(endpoints)}};
  co_await response.send(answer.status, kJson, std::move(answer.body), std::move(headers));
}

}  // namespace keelson::agent
