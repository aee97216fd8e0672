// The configuration in force, as /configz shows it.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/config/config_file.hpp"
#include "agent/config/effective.hpp"
#include "base/strings.hpp"

using namespace keelson;
using namespace keelson::agent;
using nlohmann::json;

TEST_CASE("Durations as Go prints them") {
  using namespace std::chrono_literals;
  const std::pair<Nanoseconds, const char*> cases[] = {{0s, "0s"},
                                                       {1ns, "1ns"},
                                                       {1500ns, "1.5µs"},
                                                       {100ms, "100ms"},
                                                       {1500ms, "1.5s"},
                                                       {30s, "30s"},
                                                       {2min, "2m0s"},
                                                       {4h, "4h0m0s"},
                                                       {-1s, "-1s"},
                                                       {90min + 10ms, "1h30m0.01s"},
                                                       {1ms + 20us, "1.02ms"}};
  for (const auto& [duration, text] : cases) CHECK(go_duration(duration) == text);
}

TEST_CASE("The defaults are upstream's, under its names") {
  const auto config = effective_kubelet_config({});
  const auto expected = json::parse(R"({
    "kind": "KubeletConfiguration", "address": "0.0.0.0", "port": 10250, "healthzPort": 10248, "maxPods": 110,
    "podPidsLimit": -1, "cpuCFSQuotaPeriod": "100ms", "nodeStatusReportFrequency": "5m0s",
    "nodeLeaseDurationSeconds": 40, "volumeStatsAggPeriod": "1m0s", "enableDebuggingHandlers": true,
    "enableSystemLogQuery": false, "registerNode": true,
    "containerLogMaxSize": "10Mi", "imageGCHighThresholdPercent": 85, "evictionPressureTransitionPeriod": "5m0s",
    "authorization": {"mode": "Webhook", "webhook": {"cacheAuthorizedTTL": "5m0s", "cacheUnauthorizedTTL": "30s"}},
    "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": true, "cacheTTL": "2m0s"}, "x509": {}},
    "evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%", "imagefs.available": "15%",
                     "nodefs.inodesFree": "5%", "imagefs.inodesFree": "5%"}})");
  for (const auto& [name, value] : expected.items()) {
    CAPTURE(name);
    CHECK(config.value(name, json()) == value);
  }
  CHECK_FALSE(config.contains("tlsCertFile"));
  CHECK_FALSE(config.contains("systemReserved"));
}

TEST_CASE("What is shown can be read back, and says the same") {
  Options options;
  options.manifests = "/etc/kubernetes/manifests";
  options.cgroup_driver = "systemd";
  options.cluster_dns = {"10.96.0.10"};
  options.cluster.serving.client_ca_file = "/ca.crt";
  options.cluster.serving.debugging_handlers = false;
  options.cluster.kube_reserved["cpu"] = kube::Quantity::of_milli(100);
  options.cluster.taints.push_back({.key = "a", .value = "b", .effect = "NoSchedule"});
  options.cluster.volume_stats_period = Nanoseconds(-1);
  const auto shown = effective_kubelet_config(options);
  CHECK(shown["kubeReserved"] == json::parse(R"({"cpu": "100m"})"));
  Options read;
  std::vector<std::string> warnings;
  REQUIRE(apply_config(shown.dump(), "configz", read, warnings).has_value());
  for (const auto& warning : warnings) CHECK(warning.find("has no effect") != std::string::npos);
  CHECK(effective_kubelet_config(read) == shown);
}

TEST_CASE("The proxy's mode is taken from its configuration, with the settings of that mode") {
  const std::string text = R"(
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
iptables: {masqueradeAll: true, masqueradeBit: 14}
nftables: {masqueradeBit: 20, syncPeriod: 45s}
)";
  Options read;
  std::vector<std::string> warnings;
  REQUIRE(apply_config(text, "proxy.yaml", read, warnings).has_value());
  CHECK(warnings.empty());
  CHECK(read.proxy.mode == proxy::ProxyMode::nftables);
  const proxy::ProxyConfig used = proxy::of_mode(read.proxy);
  CHECK(used.masquerade_bit == 20);
  CHECK_FALSE(used.masquerade_all);
  CHECK(used.sync_period == std::chrono::seconds(45));
  const auto refused = apply_config(replace_all(text, "mode: nftables", "mode: ipvs"), "proxy.yaml", read, warnings);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("iptables, nftables") != std::string::npos);
}
