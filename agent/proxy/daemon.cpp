#include "agent/proxy/daemon.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/cluster/service_feed.hpp"
#include "agent/daemon/main_task.hpp"
#include "agent/daemon/own_metrics.hpp"
#include "agent/daemon/services.hpp"
#include "agent/events/event_recorder.hpp"
#include "agent/proxy/explain.hpp"
#include "agent/proxy/serving.hpp"
#include "agent/server/json_answer.hpp"
#include "agent/server/unix_server.hpp"
#include "base/host_name.hpp"
#include "base/latch.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "kube/client/client.hpp"
#include "kube/client/list_watch.hpp"
#include "proxy/kernel_family.hpp"
#include "proxy/nft_kernel.hpp"
#include "proxy/sysctls.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr Seconds kNodePatience(30);

std::string node_name(const Options& options) {
  return options.hostname_override.empty() ? host_name() : to_lower(options.hostname_override);
}

Result<kube::ClientConfig> client_config(const ProxyRun& run) {
  const auto& file = run.options.cluster.proxy_kubeconfig;
  Result<kube::ClientConfig> config = file.empty() ? kube::in_cluster_config() : kube::load_kubeconfig(file);
  if (!config && run.api_server.empty()) return config;
  if (!config && file.empty()) config = kube::ClientConfig();
  if (config && !run.api_server.empty()) config->server = run.api_server;
  return config;
}

void set_oom_score(int score) {
  std::ofstream file("/proc/self/oom_score_adj");  // set in place: there is no folder for an atomic write
  file << score;
  file.flush();
  if (!file) log_warn("oom_score_adj not set", {{"wanted", score}});
}

}  // namespace

std::vector<std::string> proxy_node_ips(const std::string& bind_address, const kube::Node* node, bool ipv6) {
  std::vector<std::string> candidates;
  if (!bind_address.empty() && bind_address != "0.0.0.0" && bind_address != "::") candidates.push_back(bind_address);
  for (const char* type : {"InternalIP", "ExternalIP"}) {
    if (node == nullptr) break;
    for (const auto& address : node->status.addresses) {
      if (address.type == type) candidates.push_back(address.address);
    }
  }
  candidates.insert(candidates.end(), {"127.0.0.1", "::1"});
  std::vector<std::string> out;
  bool have[2] = {false, !ipv6};
  for (const auto& text : candidates) {
    const auto ip = proxy::IpAddress::parse(text);
    if (!ip || have[index_of(ip->family())]) continue;
    have[index_of(ip->family())] = true;
    out.push_back(ip->to_string());
  }
  return out;
}

// In the order of their making, and so, reversed, of their end.
struct ProxyDaemon::Parts {
  Parts(Executor loop, const Options& opts, std::string name_, kube::ClientConfig config)
      : executor(std::move(loop)),
        options(opts),
        name(std::move(name_)),
        api(executor, std::move(config)),
        events(executor, api, clock, name),
        node_known(executor),
        node_watch(executor, api, kube::single_object("", name),
                   {.on_set = [this](std::shared_ptr<const kube::Node> now) { take_node(std::move(now)); },
                    .on_delete = [this](const kube::ObjectKey&) { take_node(nullptr); },
                    .on_synced = [this] { node_known.open(); },
                    .on_error =
                        [](const Error& error) {
                          log_warn("own Node not followed", {{"error", error}});
                        }}),
        socket(executor, routes, {.socket = options.proxy_options.socket}),
        tasks(executor) {
    add_routes();
  }

  void take_node(std::shared_ptr<const kube::Node> now) {
    node = std::move(now);
    if (services) services->set_node(node.get());
  }
  void make_services();
  void add_routes();
  Awaitable<void> explain(Exchange& x);
  [[nodiscard]] json status() const;

  Executor executor;
  const Options& options;
  std::string name;
  const Clock& clock = system_clock();
  BlockingPool pool;
  kube::ApiClient api;
  EventRecorder events;
  std::shared_ptr<const kube::Node> node;
  std::vector<std::string> ips;
  Latch node_known;
  kube::ListWatch<kube::Node> node_watch;
  std::optional<Services> services;  // made when the node's addresses are known, or not to be found
  std::unique_ptr<ServiceFeed> feed;
  std::unique_ptr<ProxyServing> serving;
  Router routes;
  UnixServer socket;
  TaskGroup tasks;
};

void ProxyDaemon::Parts::make_services() {
  ips = proxy_node_ips(options.proxy_options.bind_address, node.get(), proxy::kernel_has(proxy::Family::ipv6));
  services.emplace(executor, pool, options, name, ips, clock);
  services->set_node(node.get());
  feed =
      std::make_unique<ServiceFeed>(executor, api, api, true,
                                    ServiceFeed::Handlers<kube::Service>{
                                        .set = [this](const kube::Service& service) { services->set_service(service); },
                                        .removed = [this](const std::string& key) { services->remove_service(key); },
                                        .synced = [this] { services->services_synced(); }},
                                    ServiceFeed::Handlers<kube::EndpointSlice>{
                                        .set = [this](const kube::EndpointSlice& slice) { services->set_slice(slice); },
                                        .removed = [this](const std::string& key) { services->remove_slice(key); },
                                        .synced = [this] { services->slices_synced(); }});
  ProxyServingSeams seams;
  seams.eligible = [this] { return services->node_eligible(); };
  seams.more_metrics = [this](stats::MetricText& out) { write_request_metrics(out, api.request_stats()); };
  seams.on_event = [this](const std::string& service, const std::string& reason, const std::string& message) {
    events.record(service_reference(service), "Warning", reason, message);
  };
  serving = std::make_unique<ProxyServing>(executor, clock, options, *services->proxier(), std::move(seams));
  log_info("Service proxy", {{"node", name}, {"addresses", join(ips, ", ")}});
}

json ProxyDaemon::Parts::status() const {
  return {{"version", KEELSON_VERSION},
          {"node", name},
          {"addresses", ips},
          {"runtime", {{"name", ""}}},
          {"counts", {{"services", services ? services->service_count() : 0}}},
          {"proxy", services ? proxy_status_json(services->proxier()) : json{{"enabled", true}, {"synced", false}}}};
}

void ProxyDaemon::Parts::add_routes() {
  routes.add("GET", "/keelson/version", [](Exchange& x) { return send_json(x, {{"version", KEELSON_VERSION}}); });
  routes.add("GET", "/keelson/status", [this](Exchange& x) { return send_json(x, status()); });
  routes.add("GET", "/keelson/explain/service", [this](Exchange& x) { return explain(x); });
}

Awaitable<void> ProxyDaemon::Parts::explain(Exchange& x) {
  std::string ns = x.request.param("ns").value_or(""), service = x.request.param("name").value_or("");
  SlicesOf slices = [this](std::string of_ns, std::string of) {
    return feed->slices_of(std::move(of_ns), std::move(of));
  };
  const proxy::Proxier* proxier = services ? services->proxier() : nullptr;
  json document = co_await explain_service_now(proxier, std::move(ns), std::move(service), std::move(slices));
  co_await send_json(x, document);
}

ProxyDaemon::ProxyDaemon(ProxyRun run) : run_(std::move(run)) {}
ProxyDaemon::~ProxyDaemon() = default;

int ProxyDaemon::run() {
  if (run_.init_only) {
    const auto& p = run_.options.proxy;
    static_cast<void>(proxy::tune_sysctls(p.localhost_node_ports, std::thread::hardware_concurrency(), p.conntrack));
    return 0;
  }
  return drive(serve());
}

int ProxyDaemon::clean_up() { return drive(remove_rules()); }

int ProxyDaemon::drive(Awaitable<void> main) {
  if (!run_main(loop_, std::move(main), "proxy")) exit_code_ = 1;
  parts_.reset();
  return exit_code_;
}

Awaitable<void> ProxyDaemon::serve() {
  asio::signal_set signals(loop_, SIGTERM, SIGINT);
  auto starting = start();
  const bool started = co_await start_until_signal(signals, std::move(starting), "stopping; the rules stay");
  if (!started) exit_code_ = 1;
  co_await stop();
}

Awaitable<Result<void>> ProxyDaemon::start() {
  set_oom_score(run_.options.proxy_options.oom_score_adj);
  CO_TRY(auto config, client_config(run_));
  parts_ = std::make_unique<Parts>(loop_.get_executor(), run_.options, node_name(run_.options), std::move(config));
  auto& p = *parts_;
  CO_CHECK_OK(with_context(p.socket.start(), "control socket"));
  p.tasks.spawn("events", p.events.run());
  p.tasks.spawn("own Node", p.node_watch.run());
  const bool known = co_await p.node_known.wait_for(kNodePatience);
  if (!known || !p.node) log_warn("the own Node is not known; going on without its addresses", {{"node", p.name}});
  p.make_services();
  CO_CHECK_OK(p.serving->start());
  p.tasks.spawn("proxy", p.services->run());
  p.feed->start();
  co_return Result<void>();
}

Awaitable<void> ProxyDaemon::stop() {
  if (!parts_) co_return;
  auto& p = *parts_;
  co_await p.socket.stop();
  if (p.serving) co_await p.serving->stop();
  if (p.feed) co_await p.feed->stop();
  p.tasks.cancel();
  co_await p.tasks.join();
}

Awaitable<void> ProxyDaemon::remove_rules() {
  BlockingPool pool;
  proxy::SystemIptables iptables;
  proxy::NetlinkNft nft(pool);
  const auto cleaned = co_await proxy::cleanup_rules(iptables, nft, true);
  if (cleaned) co_return;
  log_error("rules not removed", {{"error", cleaned.error()}});
  exit_code_ = 1;
}

}  // namespace keelson::agent
