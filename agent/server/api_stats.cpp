#include <nlohmann/json.hpp>

#include "agent/server/api.hpp"
#include "agent/stats/metric_text.hpp"
#include "agent/stats/metrics.hpp"
#include "agent/stats/process.hpp"
#include "agent/stats/summary.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

Awaitable<void> send_metrics(Exchange& x, std::string text) {
  co_await x.response.send(200, stats::kMetricText, std::move(text));
}

struct RunningCounts {
  std::size_t pods = 0;
  std::map<std::string, std::size_t> containers;  // by state
};

RunningCounts count_running(const std::vector<PodEntry>& pods) {
  RunningCounts out;
  for (const auto& entry : pods) {
    if (!entry.status) continue;
    bool any = false;
    for (const auto* list : {&entry.status->init_container_statuses, &entry.status->container_statuses}) {
      for (const auto& c : *list) {
        if (c.state.running) ++out.containers["running"];
        if (c.state.terminated) ++out.containers["exited"];
        any = any || c.state.running.has_value();
      }
    }
    if (any) ++out.pods;
  }
  return out;
}

}  // namespace

void Api::add_stats() {
  router_.add("GET,POST", "/stats/summary", [this](Exchange& x) { return get_summary(x); });
  router_.add("GET", "/metrics", [this](Exchange& x) { return get_metrics(x); });
  router_.add("GET", "/metrics/resource", [this](Exchange& x) { return get_resource_metrics(x); });
  router_.add("GET", "/metrics/cadvisor", [this](Exchange& x) { return get_cadvisor_metrics(x); });
  router_.add("GET", "/metrics/probes", [this](Exchange& x) {
    stats::MetricText out;
    data_.write_probe_metrics(out);
    return send_metrics(x, out.take());
  });
  router_.add("GET", "/metrics/slis", [this](Exchange& x) { return send_metrics(x, sli_metrics()); });
}

// That this is answered says that the loop turns, which is all that the checks ask (api_node.cpp).
std::string Api::sli_metrics() const {
  stats::MetricText out;
  out.family("kubernetes_healthcheck", "gauge", "[STABLE] This metric records the result of a single healthcheck.");
  for (const auto& [name, count] : health_checks_) {
    out.sample(1, stats::label_text({{"name", name}, {"type", "healthz"}}));
  }
  out.family("kubernetes_healthchecks_total", "counter",
             "[STABLE] This metric records the results of all healthcheck.");
  for (const auto& [name, count] : health_checks_) {
    out.sample(static_cast<double>(count),
               stats::label_text({{"name", name}, {"status", "success"}, {"type", "healthz"}}));
  }
  return out.take();
}

Awaitable<void> Api::get_summary(Exchange& x) {
  const bool brief = x.request.flag("only_cpu_and_memory");
  const auto sample = co_await data_.sample(brief ? stats::Detail::resource : stats::Detail::full);
  if (!sample) co_return co_await send_error(x, sample.error());
  std::string text = stats::make_summary(*sample, brief).dump(1, ' ', false, json::error_handler_t::replace);
  co_await x.response.send(200, kJson, std::move(text));
}

Awaitable<void> Api::get_resource_metrics(Exchange& x) {
  const auto sample = co_await data_.sample(stats::Detail::resource);
  const stats::Sample empty;
  std::string text = stats::resource_metrics(sample ? *sample : empty, !sample);
  co_await send_metrics(x, std::move(text));
}

Awaitable<void> Api::get_cadvisor_metrics(Exchange& x) {
  const auto sample = co_await data_.sample(stats::Detail::full);
  if (!sample) co_return co_await send_error(x, sample.error());
  std::string text = stats::cadvisor_metrics(*sample, data_.machine());
  co_await send_metrics(x, std::move(text));
}

Awaitable<void> Api::get_metrics(Exchange& x) {
  stats::MetricText out;
  out.family("keelson_build_info", "gauge", "A metric with a constant '1' value labeled by version.");
  out.sample(1, stats::label_text({{"version", KEELSON_VERSION}}));
  out.family("kubelet_node_name", "gauge", "[ALPHA] The node's name. The count is always 1.");
  out.sample(1, stats::label_text({{"node", data_.node_name()}}));
  const auto running = count_running(data_.pods());
  out.single("kubelet_running_pods", "gauge", "[ALPHA] Number of pods that have a running container",
             static_cast<double>(running.pods));
  out.family("kubelet_running_containers", "gauge", "[ALPHA] Number of containers by state");
  for (const auto& [state, count] : running.containers) {
    out.sample(static_cast<double>(count), stats::label_text({{"container_state", state}}));
  }
  out.family("kubelet_http_requests_total", "counter",
             "[ALPHA] Number of the http requests received since the server started");
  for (const auto& [key, count] : counters_) {
    out.sample(static_cast<double>(count),
               stats::label_text({{"long_running", is_long_running(key.second) ? "true" : "false"},
                                  {"method", key.first},
                                  {"path", key.second},
                                  {"server_type", "readwrite"}}));
  }
  co_await data_.write_metrics(out);
  stats::add_process_metrics(out);
  co_await send_metrics(x, out.take());
}

}  // namespace keelson::agent
