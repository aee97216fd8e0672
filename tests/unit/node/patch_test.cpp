#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/node/node_patch.hpp"
#include "fixture.hpp"

using namespace keelson;
using namespace keelson::agent;
using namespace keelson::agent::test;
using nlohmann::json;

namespace {

json patch(const kube::Node& before, const kube::Node& after) {
  const auto text = node_status_patch(before, after);
  return text ? json::parse(*text) : json();
}

}  // namespace

TEST_CASE("nothing differs: no patch") {
  const auto node = initial_node(config(), input());
  CHECK_FALSE(node_status_patch(node, node).has_value());
  CHECK(node_change(node, node) == NodeChange::none);
}

TEST_CASE("heartbeats alone are no change, and their patch holds nothing else") {
  const auto before = initial_node(config(), input());
  const auto after = updated_node(config(), before, input(kStart + Seconds(10)));
  CHECK(node_change(before, after) == NodeChange::none);
  const auto beat = [](const char* type) {
    return json{{"type", type}, {"lastHeartbeatTime", "2026-01-01T00:00:10Z"}};
  };
  CHECK(patch(before, after) ==
        json{{"status",
              {{"conditions", {beat("MemoryPressure"), beat("DiskPressure"), beat("PIDPressure"), beat("Ready")}}}}});
}

TEST_CASE("a condition is patched by its type") {
  const auto before = initial_node(config(), input());
  auto in = input();
  in.errors = {"broken"};
  const auto after = updated_node(config(), before, in);
  CHECK(node_change(before, after) == NodeChange::urgent);
  CHECK(
      patch(before, after) ==
      json::parse(
          R"({"status":{"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"broken"}]}})"));
}

TEST_CASE("addresses are replaced, because their merge key is not unique") {
  auto c = config();
  const auto before = initial_node(c, input());
  c.node_ips = {"10.0.0.1", "fd00::1"};
  const auto after = updated_node(c, before, input());
  CHECK(node_change(before, after) == NodeChange::minor);
  CHECK(patch(before, after)["status"]["addresses"] ==
        json::parse(R"([{"type":"InternalIP","address":"10.0.0.1"},{"type":"InternalIP","address":"fd00::1"},
          {"type":"Hostname","address":"n1"},{"$patch":"replace"}])"));
}

TEST_CASE("maps are merged, lists replaced, and what is gone is null") {
  auto before = initial_node(config(), input());
  before.status.capacity["hugepages-1Gi"] = kube::Quantity::of(1);
  before.metadata.annotations[kProvidedIpAnnotation] = "x";
  before.status.volumes_in_use = {"v"};
  auto after = before;
  after.status.capacity.erase("hugepages-1Gi");
  after.status.capacity["cpu"] = kube::Quantity::of(4);
  after.metadata.annotations.erase(kProvidedIpAnnotation);
  after.metadata.labels["a"] = "b";
  after.status.images = {{{"x:1"}, 7}};
  after.status.volumes_in_use.clear();
  after.spec.unschedulable = true;
  CHECK(node_change(before, after) == NodeChange::urgent);
  CHECK(patch(before, after) == json::parse(R"({
    "metadata":{"labels":{"a":"b"},"annotations":{"alpha.kubernetes.io/provided-node-ip":null}},
    "status":{"capacity":{"cpu":"4","hugepages-1Gi":null},"images":[{"names":["x:1"],"sizeBytes":7}],"volumesInUse":null}})"));
}

TEST_CASE("the schedule: at once the first time and when urgent, else by the two frequencies") {
  const SteadyTime start{std::chrono::hours(1)};
  const auto in = [&](Nanoseconds d) { return start + std::chrono::duration_cast<SteadyTime::duration>(d); };
  ReportSchedule schedule;
  CHECK(schedule.due(NodeChange::none) <= start);
  schedule.sent(NodeChange::none, start, 0.0);
  CHECK(schedule.due(NodeChange::urgent) <= start);
  CHECK(schedule.due(NodeChange::minor) == in(Seconds(10)));
  CHECK(schedule.due(NodeChange::none) == in(Seconds(150)));
  schedule.sent(NodeChange::none, start, 0.9);
  CHECK(schedule.due(NodeChange::none) == in(Seconds(300)));
  schedule.sent(NodeChange::minor, start, 0.75);
  CHECK(schedule.due(NodeChange::none) == in(Seconds(375)));
}
