// The node agent's HTTP API: the kubelet's paths and, below /keelson/, our own. Which socket it is served on, and who
// may call it, is the server's business.
//   GET /pods[?watch=1], /runningpods                                              api_pods.cpp
//   GET /healthz[/CHECK], /configz, /logs[/PATH]; POST /checkpoint/NS/POD/CONTAINER;
//   PUT /debug/flags/v                                                             api_node.cpp
//   GET /stats/summary, /metrics[/resource,/cadvisor,/probes,/slis]                api_stats.cpp
//   GET /containerLogs/NS/POD/CONTAINER                                            api_logs.cpp
//   GET,POST /exec, /attach /NS/POD[/UID]/CONTAINER, /portForward/NS/POD[/UID];
//   POST /run/NS/POD[/UID]/CONTAINER                                               api_streams.cpp
//   GET /keelson/{version,status,services,workloads,problems,explain[/service]}    api_keelson.cpp
// After upstream's pkg/kubelet/server/server.go.
#pragma once

#include "agent/server/changes.hpp"
#include "agent/server/data.hpp"
#include "agent/server/http_counters.hpp"
#include "agent/server/router.hpp"

namespace keelson::agent {

// Which of a kubelet's handlers are served; what is not answers 405 and says so. Without `debugging` none of them, and
// neither exec, attach, portForward, run, containerLogs and runningpods; /configz is not found then.
// (enableDebuggingHandlers, enableSystemLogHandler, enableDebugFlagsHandler)
struct DebugHandlers {
  bool debugging = true;
  bool system_log = true;   // /logs
  bool debug_flags = true;  // PUT /debug/flags/v: how much is logged
};

class Api {
 public:
  // Which face: all there is, for root on this machine, or what a kubelet has, for the network.
  enum class Face { control, kubelet };

  // `data` must outlive this.
  Api(Executor executor, ServerData& data, Face face = Face::control, DebugHandlers handlers = {});
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  [[nodiscard]] const Router& router() const { return router_; }
  // A request came; servers say so, whatever becomes of it.
  void count(const HttpRequest& request);
  [[nodiscard]] const HttpCounters& counters() const { return counters_; }

 private:
  void add_debugging(const DebugHandlers& handlers);
  void add_disabled(std::string_view path, std::string_view reason);
  void add_pods();
  void add_running_pods();
  void add_node();
  void add_config();
  void add_node_log();
  void add_stats();
  void add_logs();
  void add_streams();
  void add_keelson();

  Awaitable<void> get_pods(Exchange& x);
  Awaitable<void> watch_pods(Exchange& x);
  Awaitable<void> write_pod_changes(Exchange& x);
  Awaitable<void> get_running_pods(Exchange& x);
  Awaitable<void> get_health(Exchange& x);
  Awaitable<void> get_config(Exchange& x);
  Awaitable<void> get_node_log(Exchange& x);
  Awaitable<void> set_verbosity(Exchange& x);
  Awaitable<void> checkpoint(Exchange& x);
  Awaitable<void> get_summary(Exchange& x);
  [[nodiscard]] std::string sli_metrics() const;
  Awaitable<void> get_metrics(Exchange& x);
  Awaitable<void> get_resource_metrics(Exchange& x);
  Awaitable<void> get_cadvisor_metrics(Exchange& x);
  Awaitable<void> get_logs(Exchange& x);
  Awaitable<void> exec(Exchange& x);
  Awaitable<void> attach(Exchange& x);
  Awaitable<void> port_forward(Exchange& x);
  Awaitable<void> run(Exchange& x);
  Awaitable<void> explain(Exchange& x);
  Awaitable<void> explain_service(Exchange& x);

  Executor executor_;
  ServerData& data_;
  ChangeHub changes_;
  HttpCounters counters_;
  std::map<std::string, std::uint64_t> health_checks_ = {{"log", 0}, {"ping", 0}, {"syncloop", 0}};  // how often asked
  Router router_;
};

// Answers with the error's text and the status code that fits it: not_found 404, invalid_argument 400,
// resource_exhausted 429, others 500.
Awaitable<void> send_error(Exchange& x, Error error);

// The pod as the API shows it, status included.
[[nodiscard]] nlohmann::json pod_json(const PodEntry& entry);

}  // namespace keelson::agent
