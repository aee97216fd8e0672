#include "agent/pod/resize.hpp"

#include <catch2/catch.hpp>

#include "agent/pod/checkpoint.hpp"
#include "fixture.hpp"

namespace keelson::agent {
namespace {

using namespace test;
using Names = std::vector<std::string>;

kube::ResourceRequirements resources(const char* cpu, const char* memory) {
  kube::ResourceRequirements out;
  out.requests = {{"cpu", *kube::Quantity::parse(cpu)}, {"memory", *kube::Quantity::parse(memory)}};
  out.limits = out.requests;
  return out;
}

kube::Container sized(const char* name, const char* cpu, const char* memory) {
  auto c = container(name);
  c.resources = resources(cpu, memory);
  return c;
}

Names names(const std::vector<ContainerResize>& list) {
  Names out;
  for (const auto& r : list) out.push_back(r.name);
  return out;
}

TEST_CASE("only CPU and memory make a resize; equal amounts are equal however they are written") {
  const auto before = pod({sized("a", "1", "1Gi")});
  CHECK_FALSE(wants_resize(pod({sized("a", "1000m", "1024Mi")}), before));
  CHECK(wants_resize(pod({sized("a", "2", "1Gi")}), before));
  auto other = before;
  other.spec.containers[0].resources.requests["example.com/x"] = *kube::Quantity::parse("1");
  CHECK_FALSE(wants_resize(other, before));
  CHECK(wants_resize(pod({container("a")}), before));
}

TEST_CASE("a pod keeps what it was granted until it is granted more") {
  auto desired = pod({sized("a", "2", "2Gi")});
  desired.spec.containers[0].image = "app:2";
  const auto kept = with_resources_of(desired, pod({sized("a", "1", "1Gi")}));
  CHECK(kept.spec.containers[0].image == "app:2");
  CHECK(kept.spec.containers[0].resources == resources("1", "1Gi"));
}

TEST_CASE("what gives back comes first; policies of the changed resource decide about a restart") {
  auto a = sized("a", "2", "1Gi"), b = sized("b", "1", "1Gi"), c = sized("c", "1", "2Gi");
  c.resize_policy = {{"memory", "RestartContainer"}, {"cpu", "NotRequired"}};
  const auto p = pod({a, b, c});
  const auto all = observed({seen(a, RunState::running), seen(b, RunState::running), seen(c, RunState::running)});
  const ActuatedMap actuated = {
      {"a", resources("1", "1Gi")}, {"b", resources("1", "2Gi")}, {"c", resources("1", "1Gi")}};
  const auto plan = plan_resize(p, all, actuated);
  CHECK(plan.in_progress);
  CHECK(names(plan.update) == Names{"b", "a"});
  CHECK(plan.update[0].lowers_memory_limit);
  CHECK(plan.update[0].memory_limit == 1 << 30);
  CHECK_FALSE(plan.update[1].lowers_memory_limit);
  CHECK(plan.restart == std::set<std::string>{"c"});
}

TEST_CASE("nothing is set on a container that does not run, or of which nothing is known to be set") {
  const auto a = sized("a", "2", "1Gi");
  CHECK_FALSE(plan_resize(pod({a}), observed({seen(a, RunState::running)}), {}).in_progress);
  const ActuatedMap other = {{"a", resources("1", "1Gi")}};
  CHECK_FALSE(plan_resize(pod({a}), observed({seen(a, RunState::exited)}), other).in_progress);
  CHECK_FALSE(plan_resize(pod({a}), observed({seen(a, RunState::running)}), {{"a", a.resources}}).in_progress);
}

TEST_CASE("the pod's cgroup allows both while it changes") {
  spec::CgroupResources a, b;
  a.cpu_shares = 100;
  b.cpu_shares = 50;
  a.cpu_quota_us = 10000;
  b.cpu_quota_us = -1;
  a.memory_bytes = 100;
  b.memory_bytes = 200;
  const auto both = widest(a, b);
  CHECK(both.cpu_shares == 100);
  CHECK(both.cpu_quota_us == -1);
  CHECK(both.memory_bytes == 200);
  a.memory_bytes.reset();
  CHECK_FALSE(widest(a, b).memory_bytes.has_value());
}

TEST_CASE("PodResizePending is set, kept from when it began, and taken away") {
  auto p = pod({container("a")});
  set_resize_pending(p, "Deferred", "busy", kNow);
  REQUIRE(p.status.conditions.size() == 1);
  set_resize_pending(p, "Infeasible", "too much", kNow + Seconds(60));
  REQUIRE(p.status.conditions.size() == 1);
  CHECK(p.status.conditions[0].reason == "Infeasible");
  CHECK(p.status.conditions[0].last_transition_time == kNow);
  clear_resize_pending(p);
  CHECK_FALSE(has_resize_pending(p));
}

TEST_CASE("what was set on containers survives the agent") {
  Checkpoint checkpoint;
  checkpoint.pod = std::make_shared<const kube::Pod>(pod({container("a")}));
  checkpoint.actuated = {{"a", resources("1", "1Gi")}};
  const auto read = decode_checkpoint(encode_checkpoint(checkpoint));
  REQUIRE(read.has_value());
  CHECK(read->actuated == checkpoint.actuated);
}

TEST_CASE("events of a resize say what upstream's say") {
  auto p = pod({sized("a", "1", "1Gi")});
  p.metadata.generation = 2;
  CHECK(resize_message(p, "Pod resize started") ==
        R"(Pod resize started: {"containers":[{"name":"a","resources":{"limits":{"cpu":"1","memory":"1Gi"},)"
        R"("requests":{"cpu":"1","memory":"1Gi"}}}],"generation":2})");
}

}  // namespace
}  // namespace keelson::agent
