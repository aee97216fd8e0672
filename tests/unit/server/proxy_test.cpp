// What is served about the Service proxy, and what of it is read from kube-proxy's configuration and flags.
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/cli/explain_service_text.hpp"
#include "agent/config/config_file.hpp"
#include "agent/config/effective.hpp"
#include "agent/proxy/daemon.hpp"
#include "agent/proxy/explain.hpp"
#include "agent/proxy/health.hpp"
#include "agent/proxy/metrics.hpp"
#include "base/task_group.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/service.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

const SystemTime kNow(std::chrono::hours(500000));

// What kubeadm 1.35 puts into the ConfigMap kube-proxy: every field, most of them empty.
constexpr const char* kKubeadm = R"(apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
)";

// A kernel that takes everything.
class TakingIptables final : public proxy::IptablesRunner {
 public:
  Awaitable<Result<proxy::IptablesInfo>> probe(proxy::Family) override {
    co_return proxy::IptablesInfo{proxy::IptablesBackend::nft, 10809};
  }
  Awaitable<Result<std::string>> save(proxy::Family) override { co_return std::string(); }
  Awaitable<Result<void>> restore(proxy::Family, std::string) override {
    if (broken) co_return make_error(Errc::unavailable, "lock held");
    co_return Result<void>();
  }
  Result<bool> canaries_present(proxy::Family) override { return true; }
  bool broken = false;
};

class NoConntrack final : public proxy::ConntrackCleaner {
 public:
  Awaitable<Result<std::size_t>> remove_stale(proxy::Family, proxy::StaleFlows) override { co_return std::size_t{0}; }
};

struct Bench {
  Bench() {
    proxy::ProxyConfig config;
    config.cluster_cidrs = {"10.0.0.0/8"};
    config.tune_sysctls = false;
    config.min_sync_period = Milliseconds(0);
    const std::vector<proxy::IpAddress> ips = {*proxy::IpAddress::parse("192.168.0.1")};
    proxier.emplace(loop.get_executor(), config, "node-a", ips, clock, iptables, conntrack);
    tasks.spawn("proxier", proxier->run());
  }
  ~Bench() {
    tasks.cancel();
    turn();
  }
  void turn() {
    loop.restart();
    while (loop.poll() > 0) {
    }
  }
  void sync() {
    proxier->services_synced();
    proxier->slices_synced();
    turn();
  }

  asio::io_context loop;
  ManualClock clock{kNow};
  TakingIptables iptables;
  NoConntrack conntrack;
  std::optional<proxy::Proxier> proxier;
  TaskGroup tasks{loop.get_executor()};
};

kube::Service web() {
  kube::Service s;
  s.metadata.ns = "shop";
  s.metadata.name = "web";
  s.spec.type = "NodePort";
  s.spec.cluster_ip = "172.30.0.1";
  s.spec.cluster_ips = {"172.30.0.1"};
  s.spec.external_traffic_policy = "Local";
  kube::ServicePort port;
  port.name = "http";
  port.port = 80;
  port.node_port = 30080;
  s.spec.ports = {port};
  return s;
}

kube::EndpointSlice web_slice() {
  kube::EndpointSlice s;
  s.metadata.ns = "shop";
  s.metadata.name = "web-1";
  s.metadata.labels[kube::EndpointSlice::kServiceNameLabel] = "web";
  s.address_type = "IPv4";
  kube::Endpoint away, gone;
  away.addresses = {"10.0.0.1"};
  away.node_name = "node-b";
  away.zone = "za";
  gone.addresses = {"10.0.0.2"};
  gone.node_name = "node-a";
  gone.conditions.ready = false;
  s.endpoints = {away, gone};
  kube::EndpointPort port;
  port.name = "http";
  port.port = 8080;
  s.ports = {port};
  return s;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("kubeadm's configuration of kube-proxy is taken as it is, without a warning") {
  Options options;
  std::vector<std::string> warnings;
  REQUIRE(apply_config(kKubeadm, "config.conf", options, warnings).has_value());
  CHECK(warnings == std::vector<std::string>());
  const proxy::ProxyConfig standard;
  CHECK(options.cluster.proxy_kubeconfig == "/var/lib/kube-proxy/kubeconfig.conf");
  CHECK(options.proxy.cluster_cidrs == std::vector<std::string>{"10.244.0.0/16"});
  CHECK(options.proxy.sync_period == standard.sync_period);
  CHECK(options.proxy.min_sync_period == standard.min_sync_period);
  CHECK(options.proxy.masquerade_bit == 14);
  CHECK(options.proxy.conntrack.max_per_core == 32768);
  CHECK(options.proxy.conntrack.tcp_established == Seconds(86400));
  CHECK(proxy_healthz_address(options.proxy_options)->port == 10256);
  CHECK(proxy_metrics_address(options.proxy_options)->ip == "127.0.0.1");
}

TEST_CASE("what the proxy's configuration sets is in force, and shown by /configz") {
  Options options;
  std::vector<std::string> warnings;
  REQUIRE(apply_config("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
                       "healthzBindAddress: \"[::1]:11256\"\nmetricsBindAddress: 0.0.0.0:0\noomScoreAdj: -500\n"
                       "bindAddressHardFail: true\nhostnameOverride: n1\n"
                       "conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, udpTimeout: 1m30s, tcpBeLiberal: true}\n",
                       "x", options, warnings)
              .has_value());
  CHECK(warnings.empty());
  CHECK(proxy_healthz_address(options.proxy_options)->ip == "::1");
  CHECK(proxy_healthz_address(options.proxy_options)->port == 11256);
  CHECK(proxy_metrics_address(options.proxy_options)->port == 0);
  CHECK(options.proxy.conntrack.max_per_core == 0);
  CHECK(options.proxy.conntrack.tcp_established == Seconds(0));
  CHECK(options.proxy.conntrack.udp == Seconds(90));
  const json shown = effective_proxy_config(options);
  CHECK(shown.at("healthzBindAddress") == "[::1]:11256");
  CHECK(shown.at("conntrack").at("udpTimeout") == "1m30s");
  CHECK(shown.at("oomScoreAdj") == -500);
  CHECK(shown.at("hostnameOverride") == "n1");
  for (const char* wrong : {"localhost:1", "1.2.3.4:x", "[::1", "[::1]x", "1.2.3.4:70000"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_bind_address(wrong, 1).has_value());
  }
  CHECK(parse_bind_address("::", 7)->port == 7);
}

TEST_CASE("the node's addresses are the bind address, the Node's, the loopback's, one of each family") {
  kube::Node node;
  node.status.addresses = {{"Hostname", "n"}, {"InternalIP", "10.1.0.1"}, {"InternalIP", "fd00::1"}};
  using Texts = std::vector<std::string>;
  CHECK(proxy_node_ips("", &node, true) == Texts{"10.1.0.1", "fd00::1"});
  CHECK(proxy_node_ips("0.0.0.0", &node, false) == Texts{"10.1.0.1"});
  CHECK(proxy_node_ips("fd00::2", &node, true) == Texts{"fd00::2", "10.1.0.1"});
  CHECK(proxy_node_ips("", nullptr, true) == Texts{"127.0.0.1", "::1"});
}

TEST_CASE("a node that is gone, leaving, or to be scaled away takes no new traffic") {
  CHECK_FALSE(is_eligible(nullptr));
  kube::Node node;
  CHECK(is_eligible(&node));
  node.spec.taints = {{"other", "", "NoSchedule", {}}};
  CHECK(is_eligible(&node));
  node.spec.taints.push_back({"ToBeDeletedByClusterAutoscaler", "", "NoSchedule", {}});
  CHECK_FALSE(is_eligible(&node));
  node.spec.taints.clear();
  node.metadata.deletion_timestamp = kNow;
  CHECK_FALSE(is_eligible(&node));
}

TEST_CASE("the health answers have kube-proxy's shape") {
  const FamilyHealth good{proxy::Family::ipv4, true, kNow};
  const FamilyHealth bad{proxy::Family::ipv6, false, kNow - Seconds(100)};
  const HealthAnswer all_well = health_answer({good}, true, kNow);
  CHECK(all_well.status == 200);
  CHECK(json::parse(all_well.body).at("nodeEligible") == true);
  CHECK(health_answer({good}, false, kNow).status == 503);
  CHECK(health_answer({good}, std::nullopt, kNow).status == 200);
  CHECK_FALSE(json::parse(health_answer({good}, std::nullopt, kNow).body).contains("nodeEligible"));
  const HealthAnswer half = health_answer({good, bad}, true, kNow);
  CHECK(half.status == 503);
  const json body = json::parse(half.body);
  CHECK(body.at("status").at("IPv4").at("healthy") == true);
  CHECK(body.at("status").at("IPv6").at("healthy") == false);
  CHECK(body.at("lastUpdated") == body.at("status").at("IPv6").at("lastUpdated"));
  CHECK(health_answer({}, true, kNow).status == 200);  // while it starts

  const HealthAnswer service = service_health_answer("shop/web", 2, true);
  CHECK(service.status == 200);
  CHECK(json::parse(service.body) == json::parse(R"({"service": {"namespace": "shop", "name": "web"},
    "localEndpoints": 2, "serviceProxyHealthy": true})"));
  CHECK(service_health_answer("shop/web", 0, true).status == 503);
  CHECK(service_health_answer("shop/web", 2, false).status == 503);
}

TEST_CASE("a change that waits too long makes the proxy unhealthy until it is written") {
  Bench b;
  b.sync();
  const auto healthy = [&b] { return is_healthy(family_health(*b.proxier, b.clock.now(), b.clock.steady_now())); };
  CHECK(healthy());
  b.clock.advance(Seconds(100));
  CHECK(healthy());  // nothing waits
  b.iptables.broken = true;
  b.proxier->set_service(web());
  b.turn();
  CHECK(healthy());
  b.clock.advance(Seconds(61));
  CHECK_FALSE(healthy());
  b.iptables.broken = false;
  b.proxier->services_synced();
  b.turn();
  CHECK(healthy());
}

TEST_CASE("metrics have kube-proxy's names") {
  Bench b;
  b.proxier->set_service(web());
  b.proxier->set_slice(web_slice());
  b.sync();
  stats::MetricText out;
  write_proxy_metrics(out, *b.proxier, {.healthz_200 = 3, .livez_503 = 1});
  const std::string text = out.take();
  for (const char* line :
       {"kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 1\n",
        "kubeproxy_sync_full_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.001\"}",
        "kubeproxy_sync_proxy_rules_service_changes_total 1\n",
        "kubeproxy_sync_proxy_rules_endpoint_changes_pending 0\n",
        "kubeproxy_sync_proxy_rules_iptables_total{ip_family=\"IPv4\",table=\"nat\"}",
        "kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family=\"IPv4\"} 0\n",
        "kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family=\"IPv4\",traffic_policy=\"external\"} 1\n",
        "kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family=\"IPv4\",traffic_policy=\"internal\"} 0\n",
        "kubeproxy_proxy_healthz_total{code=\"200\"} 3\n", "kubeproxy_proxy_livez_total{code=\"503\"} 1\n",
        "kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family=\"IPv4\"} 1.8e+09"}) {
    CAPTURE(line, text);
    CHECK(has(text, line));
  }
}

TEST_CASE("explain tells each frontend's fate and why an endpoint takes nothing") {
  Bench b;
  b.proxier->set_service(web());
  b.proxier->set_slice(web_slice());
  b.sync();
  const json document = explain_service_json(&*b.proxier, "", "web");
  CHECK(explains_service(document));
  const std::string text = explain_service_text(document);
  for (const char* part :
       {"Service shop/web, iptables rules:", "Port http 80/TCP, IPv4:", "ClusterIP 172.30.0.1:80",
        "balanced over 1 endpoint; senders in 10.0.0.0/8 keep their address, others are masqueraded",
        "NodePort 30080 on every address of the node", "dropped: policy Local, and no endpoint that could serve",
        "10.0.0.1:8080", "node-b", "za", "policy Cluster yes; policy Local no: on another node", "node-a (this)",
        "not ready", "no: not ready"}) {
    CAPTURE(part, text);
    CHECK(has(text, part));
  }
  CHECK_FALSE(explains_service(explain_service_json(&*b.proxier, "other", "web")));
  CHECK(has(explain_service_text(explain_service_json(&*b.proxier, "other", "web")), "no Service \"other/web\""));
  CHECK(has(explain_service_text(explain_service_json(nullptr, "", "web")), "switched off"));
}

TEST_CASE("explain says what a Service without rules is") {
  Bench b;
  const auto named = [](const char* name, const char* ip) {
    kube::Service s = web();
    s.metadata.name = name;
    s.spec.cluster_ip = ip;
    s.spec.cluster_ips = {ip};
    s.metadata.labels.clear();
    return s;
  };
  kube::Service external = named("external", ""), other = named("other", "172.30.0.9");
  external.spec.type = "ExternalName";
  external.spec.external_name = "example.org";
  other.metadata.labels["service.kubernetes.io/service-proxy-name"] = "mesh";
  b.proxier->set_service(named("headless", "None"));
  b.proxier->set_service(named("empty", "None"));
  b.proxier->set_service(named("unknown", "None"));
  b.proxier->set_service(named("pending", ""));
  b.proxier->set_service(external);
  b.proxier->set_service(other);
  b.proxier->set_slice(web_slice());  // of a Service that is not there
  b.sync();

  kube::EndpointSlice slice = web_slice();
  ExplainFacts facts;
  using Slices = std::vector<std::shared_ptr<const kube::EndpointSlice>>;
  facts.headless.emplace("shop/headless", Slices{std::make_shared<const kube::EndpointSlice>(slice)});
  facts.headless.emplace("shop/empty", Slices{});
  facts.headless.emplace("shop/unknown", make_error(Errc::unavailable, "no API server"));
  struct Row {
    const char* name;
    std::vector<const char*> parts;
  };
  const std::vector<Row> rows = {
      {"headless",
       {"Service shop/headless is headless", "DNS answers with its endpoints' addresses", "10.0.0.1", "8080/TCP",
        "node-a (this)", "no: not ready", "yes"}},
      {"empty", {"is headless", "No endpoints: no EndpointSlice has an address for it"}},
      {"unknown", {"is headless", "Its endpoints are not known here: no API server"}},
      {"pending", {"has no ClusterIP yet"}},
      {"external", {"of type ExternalName", "DNS answers with the name example.org"}},
      {"other", {"left to another proxy by its label service.kubernetes.io/service-proxy-name=mesh"}},
      {"web", {"There is no Service shop/web here, but 1 EndpointSlices name it"}},
  };
  for (const Row& row : rows) {
    const json document = explain_service_json(&*b.proxier, "shop", row.name, facts);
    const std::string text = explain_service_text(document);
    CHECK(explains_service(document));
    for (const char* part : row.parts) {
      CAPTURE(row.name, part, text);
      CHECK(has(text, part));
    }
  }
}

TEST_CASE("explain says that the kernel has no room for new connections") {
  Bench b;
  b.proxier->set_service(web());
  b.sync();
  const auto text = [&b](std::int64_t count) {
    ExplainFacts facts;
    facts.fill = proxy::ConntrackFill{count, 1000};
    return explain_service_text(explain_service_json(&*b.proxier, "", "web", facts));
  };
  CHECK(has(text(1000), "tracks 1000 of at most 1000 connections: it drops the packets of new ones"));
  CHECK(has(text(900), "tracks 900 of at most 1000 connections ("));
  CHECK_FALSE(has(text(899), "at most 1000"));
}

TEST_CASE("explain says that nothing is written yet, and what could not be written") {
  Bench b;
  b.iptables.broken = true;
  b.proxier->set_service(web());
  CHECK(has(explain_service_text(explain_service_json(&*b.proxier, "", "web")), "Nothing is written yet"));
  b.sync();
  CHECK(has(explain_service_text(explain_service_json(&*b.proxier, "", "web")), "IPv4: lock held"));
  CHECK(has(explain_service_text(explain_service_json(&*b.proxier, "", "web")), "no EndpointSlice has an address"));
}

}  // namespace keelson::agent
