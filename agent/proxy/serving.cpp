#include "agent/proxy/serving.hpp"

#include <nlohmann/json.hpp>

#include "agent/config/effective.hpp"
#include "agent/stats/process.hpp"
#include "base/log.hpp"
#include "proxy/kernel_family.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr Seconds kBindRetry(5);
constexpr unsigned kConnections = 64;

RequestHandler by(const Router& router) {
  return [&router](HttpRequest& request, ResponseWriter& response) { return answer_by(router, request, response); };
}

Awaitable<void> send_text(Exchange& x, std::string text) { co_await x.response.send(200, kText, std::move(text)); }

Awaitable<void> send_json(Exchange& x, std::string text) { co_await x.response.send(200, kJson, std::move(text)); }

}  // namespace

ProxyServing::ProxyServing(Executor executor, const Clock& clock, const Options& options, proxy::Proxier& proxier,
                           ProxyServingSeams seams)
    : clock_(clock),
      options_(options),
      proxier_(proxier),
      seams_(std::move(seams)),
      health_server_(executor, "proxy health", kConnections, by(health_routes_)),
      metric_server_(executor, "proxy metrics", kConnections, by(metric_routes_)),
      node_ports_(executor,
                  {.ports = [this]() -> const proxy::HealthPorts& { return proxier_.health_ports(); },
                   .addresses =
                       [this] {
                         auto chosen = proxier_.node_port_addresses();
                         if (!chosen)
                           return std::vector<std::string>{proxy::kernel_has(proxy::Family::ipv6) ? "::" : "0.0.0.0"};
                         std::vector<std::string> out;
                         for (const auto& ip : *chosen) out.push_back(ip.to_string());
                         return out;
                       },
                   .healthy = [this] { return is_healthy(health()); },
                   .on_failure =
                       [this](const std::string& service, const std::string& message) {
                         if (seams_.on_event) seams_.on_event(service, "FailedToStartServiceHealthcheck", message);
                       }}),
      tasks_(executor) {
  add_health_routes();
  add_metric_routes();
  proxier_.on_sync([this] { node_ports_.changed(); });
}

void ProxyServing::add_health_routes() {
  health_routes_.add("GET", "/healthz", [this](Exchange& x) { return get_healthz(x); });
  health_routes_.add("GET", "/livez", [this](Exchange& x) { return get_livez(x); });
}

void ProxyServing::add_metric_routes() {
  metric_routes_.add("GET", "/healthz", [](Exchange& x) { return send_text(x, "ok"); });
  metric_routes_.add("GET", "/proxyMode", [this](Exchange& x) { return send_text(x, std::string(proxier_.mode())); });
  metric_routes_.add("GET", "/metrics", [this](Exchange& x) { return get_metrics(x); });
  metric_routes_.add("GET", "/metrics/slis", [this](Exchange& x) { return get_slis(x); });
  metric_routes_.add("GET", "/configz", [this](Exchange& x) {
    const json config = {{"kubeproxy.config.k8s.io", effective_proxy_config(options_)}};
    return send_json(x, config.dump(-1, ' ', false, json::error_handler_t::replace));
  });
}

Result<void> ProxyServing::start() {
  CHECK_OK(serve(health_server_, "health", proxy_healthz_address(options_.proxy_options)));
  CHECK_OK(serve(metric_server_, "metrics", proxy_metrics_address(options_.proxy_options)));
  tasks_.spawn("health check node ports", node_ports_.run());
  return {};
}

Result<void> ProxyServing::serve(TcpServer& server, const char* what, Result<BindAddress> where) {
  if (!where) return where.error();
  if (where->port == 0) return {};
  const auto started = server.start(where->ip, where->port);
  if (started) return {};
  if (options_.proxy_options.bind_hard_fail) return started.error();
  log_warn("proxy not served yet; tried again every 5 s", {{"what", what}, {"error", started.error()}});
  tasks_.spawn(what, keep_trying(server, what, std::move(*where)));
  return {};
}

Awaitable<void> ProxyServing::keep_trying(TcpServer& server, const char* what, BindAddress where) {
  for (;;) {
    co_await sleep_for(kBindRetry);
    const auto started = server.start(where.ip, where.port);
    if (started) break;
    log_debug("proxy not served yet", {{"what", what}, {"error", started.error()}});
  }
  log_info("proxy served", {{"what", what}, {"port", where.port}});
}

Awaitable<void> ProxyServing::stop() {
  tasks_.cancel();
  co_await tasks_.join();
  co_await node_ports_.stop();
  co_await health_server_.stop();
  co_await metric_server_.stop();
}

std::vector<FamilyHealth> ProxyServing::health() const {
  return family_health(proxier_, clock_.now(), clock_.steady_now());
}

Awaitable<void> ProxyServing::get_healthz(Exchange& x) {
  const auto eligible = seams_.eligible ? seams_.eligible() : std::nullopt;
  HealthAnswer answer = health_answer(health(), eligible.value_or(true), clock_.now());
  ++(answer.status == 200 ? probes_.healthz_200 : probes_.healthz_503);
  NamedValues headers = {{"X-Content-Type-Options", "nosniff"}};
  co_await x.response.send(answer.status, kJson, std::move(answer.body), std::move(headers));
}

Awaitable<void> ProxyServing::get_livez(Exchange& x) {
  HealthAnswer answer = health_answer(health(), std::nullopt, clock_.now());
  ++(answer.status == 200 ? probes_.livez_200 : probes_.livez_503);
  NamedValues headers = {{"X-Content-Type-Options", "nosniff"}};
  co_await x.response.send(answer.status, kJson, std::move(answer.body), std::move(headers));
}

Awaitable<void> ProxyServing::get_metrics(Exchange& x) {
  stats::MetricText out;
  write_proxy_metrics(out, proxier_, probes_);
  if (seams_.more_metrics) seams_.more_metrics(out);
  stats::add_process_metrics(out);
  std::string text = out.take();
  co_await x.response.send(200, stats::kMetricText, std::move(text));
}

Awaitable<void> ProxyServing::get_slis(Exchange& x) {
  stats::MetricText out;
  const auto labels = stats::label_text({{"name", "ping"}, {"type", "healthz"}});
  out.family("kubernetes_healthcheck", "gauge", "[STABLE] This metric records the result of a single healthcheck.");
  out.sample(1, labels);  // that this is answered says that the loop turns
  std::string text = out.take();
  co_await x.response.send(200, stats::kMetricText, std::move(text));
}

}  // namespace keelson::agent
