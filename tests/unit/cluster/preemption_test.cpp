#include "agent/cluster/preemption.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kube/codec.hpp"

using namespace keelson;
using namespace keelson::agent;
using nlohmann::json;

namespace {

// "be", "bu 500" (a request of cpu in milli), "gu 500" (and a limit, with memory), "critical 500", "port" (holds host
// port 80).
kube::Pod pod(const std::string& name, const std::string& kind, int cpu = 0) {
  json container{{"name", "c"}};
  const std::string amount = std::to_string(cpu) + "m";
  if (cpu > 0) container["resources"]["requests"]["cpu"] = amount;
  if (kind == "gu") {
    container["resources"]["requests"]["memory"] = "1Mi";
    container["resources"]["limits"] = {{"cpu", amount}, {"memory", "1Mi"}};
  }
  if (kind == "port") container["ports"] = json::array({{{"containerPort", 1}, {"hostPort", 80}, {"protocol", "TCP"}}});
  json spec{{"containers", json::array({container})}};
  if (kind == "critical") spec["priority"] = 2000000000;
  if (kind == "more critical") spec["priority"] = 2000001000;
  return *kube::decode<kube::Pod>(
      json{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"name", name}, {"namespace", "d"}}}, {"spec", spec}});
}

struct Case {
  std::string what;
  kube::Pod subject;
  std::vector<kube::Pod> others;
  std::vector<std::string> preempted;
};

}  // namespace

TEST_CASE("preemption: what goes for a critical pod") {
  const std::vector<Case> cases = {
      {"not critical", pod("p", "bu", 1500), {pod("a", "bu", 1000)}, {}},
      {"it fits as it is", pod("p", "critical", 500), {pod("a", "bu", 1000)}, {}},
      {"the one that gives it", pod("p", "critical", 1500), {pod("a", "bu", 400), pod("b", "bu", 1200)}, {"b"}},
      {"the smallest that gives it",
       pod("p", "critical", 500),
       {pod("a", "bu", 900), pod("b", "bu", 300), pod("c", "bu", 700)},
       {"c"}},
      {"a Burstable pod before a Guaranteed one",
       pod("p", "critical", 1000),
       {pod("a", "gu", 1000), pod("b", "bu", 1000)},
       {"b"}},
      {"both where one is not enough",
       pod("p", "critical", 2000),
       {pod("a", "gu", 1000), pod("b", "bu", 1000)},
       {"b", "a"}},
      {"a BestEffort pod for the number of pods",
       pod("p", "critical"),
       {pod("a", "bu", 100), pod("b", "be"), pod("c", "bu", 100)},
       {"b"}},
      {"never one as critical", pod("p", "critical", 1500), {pod("a", "critical", 1000)}, {}},
      {"one that is less critical", pod("p", "more critical", 1500), {pod("a", "critical", 1000)}, {"a"}},
      {"none where all of them are not enough", pod("p", "critical", 2500), {pod("a", "bu", 1000)}, {}},
  };
  const auto node = *kube::decode<kube::Node>(json::parse(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},
    "status":{"allocatable":{"cpu":"2","memory":"1Gi","pods":"3"}}})"));
  const std::vector<std::string> sysctls;
  for (const auto& row : cases) {
    INFO(row.what);
    std::vector<const kube::Pod*> others;
    for (const auto& other : row.others) others.push_back(&other);
    std::vector<std::string> names;
    for (const auto* gone : choose_preempted({row.subject, node, others, sysctls}))
      names.push_back(gone->metadata.name);
    CHECK(names == row.preempted);
  }
}

TEST_CASE("preemption: not for what more room would not mend") {
  const auto node = *kube::decode<kube::Node>(json::parse(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},
    "status":{"allocatable":{"cpu":"1","pods":"9"}}})"));
  const std::vector<std::string> sysctls;
  auto subject = pod("p", "critical", 800);
  subject.spec.node_selector = {{"disk", "ssd"}};
  const auto other = pod("a", "bu", 500);
  const std::vector<const kube::Pod*> others = {&other};
  CHECK(choose_preempted({subject, node, others, sysctls}).empty());
}
