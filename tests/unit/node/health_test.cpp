#include <catch2/catch.hpp>

#include "agent/node/node_flags.hpp"
#include "agent/node/runtime_health.hpp"

using namespace keelson;
using namespace keelson::agent;

namespace {

const SteadyTime kNow{std::chrono::hours(1)};
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a runtime that was never asked") {
  const RuntimeHealth health;
  CHECK(health.errors(kNow) ==
        Texts{"container runtime status check may not have completed yet", "network state unknown"});
  CHECK_FALSE(health.due(kNow).has_value());
}

TEST_CASE("a runtime that answers, and then falls silent") {
  RuntimeHealth health;
  health.status({{"RuntimeReady", true, "", ""}, {"NetworkReady", true, "", ""}}, kNow);
  CHECK(health.errors(kNow).empty());
  REQUIRE(health.due(kNow));
  const auto down = *health.due(kNow);
  CHECK(down == kNow + Seconds(30));
  CHECK(health.errors(down - Seconds(1)).empty());
  CHECK(health.errors(down) == Texts{"container runtime is down"});
}

TEST_CASE("a runtime that is not ready says why") {
  RuntimeHealth health;
  health.status({{"RuntimeReady", true, "", ""}, {"NetworkReady", false, "NetworkPluginNotReady", "no config"}}, kNow);
  CHECK(health.errors(kNow) == Texts{"container runtime network not ready: NetworkReady=false "
                                     "reason:NetworkPluginNotReady message:no config"});
  health.set_network_error("");
  CHECK(health.errors(kNow).empty());
  health.status({}, kNow);
  health.set_storage_error("CSINode is not yet initialized");
  health.set_shutting_down(true);
  CHECK(health.errors(kNow) ==
        Texts{"container runtime not ready: <nil>", "CSINode is not yet initialized", "node is shutting down"});
}

TEST_CASE("labels that a node may set of itself") {
  const auto labels = parse_node_labels("a=b, node.kubernetes.io/x=1,sub.node.kubernetes.io/y=,kubernetes.io/os=linux");
  REQUIRE(labels.has_value());
  CHECK(*labels == kube::StringMap{{"a", "b"},
                                   {"kubernetes.io/os", "linux"},
                                   {"node.kubernetes.io/x", "1"},
                                   {"sub.node.kubernetes.io/y", ""}});
  CHECK(parse_node_labels("")->empty());
  for (const char* bad :
       {"a", "=b", "kubernetes.io/x=1", "x.k8s.io/y=1", "node-role.kubernetes.io/control-plane=", "a=b c"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_node_labels(bad).has_value());
  }
  CHECK(parse_node_labels("notkubernetes.io/x=1").has_value());
}

TEST_CASE("taints") {
  const auto taints = parse_taints("a=b:NoSchedule,c:NoExecute");
  REQUIRE(taints.has_value());
  CHECK(*taints ==
        std::vector<kube::Taint>{{"a", "b", "NoSchedule", std::nullopt}, {"c", "", "NoExecute", std::nullopt}});
  for (const char* bad : {"a", "a:Never", ":NoSchedule", "a:NoSchedule:x", "a=1:NoSchedule,a=2:NoSchedule"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_taints(bad).has_value());
  }
}
