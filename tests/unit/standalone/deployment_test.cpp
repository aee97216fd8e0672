// Deployments and ReplicaSets, step by step and as simulations with invariants.
#include <random>

#include "tests/unit/standalone/fixture.hpp"

namespace keelson::agent::test {
namespace {

std::string deployment(const std::string& image, int replicas, const std::string& more = "") {
  return workload("Deployment", "web", image, "  replicas: " + std::to_string(replicas) + "\n" + more);
}

std::string rolling(const std::string& surge, const std::string& unavailable) {
  return "  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: " + surge + ", maxUnavailable: " + unavailable +
         "}}\n";
}

const std::string kRecreate = "  strategy: {type: Recreate}\n";
const std::string kPaused = "  paused: true\n";

}  // namespace

TEST_CASE("a Deployment's pods are made as its controllers make them", "[deployment]") {
  FakeNode node;
  node.apply(deployment("app:1", 3));
  node.look();
  REQUIRE(node.running() == 3);
  CHECK(node.uids().size() == 3);
  for (const auto& p : node.pods) {
    const auto& meta = p.pod->metadata;
    const auto hash = label_of(*p.pod, kTemplateHash);
    CHECK(hash.size() == 10);
    CHECK(meta.name.starts_with("web-" + hash + "-"));
    CHECK(meta.ns == "default");
    CHECK(label_of(*p.pod, "app") == "web");
    CHECK(meta.creation_timestamp == kStart);
    CHECK(p.pod->spec.node_name == "node1");
    REQUIRE(meta.owner_references.size() == 1);
    CHECK(meta.owner_references[0].name == "web");
    CHECK(meta.owner_references[0].controller == true);
  }
  CHECK(node.workload_status() == WorkloadStatus{"Deployment", "default", "web", 3, 3, 0, 3});

  const auto before = node.pods;
  node.make_ready();
  node.look();
  for (const auto& p : before) {  // the very objects are passed through
    CHECK(std::count(node.last.pods.begin(), node.last.pods.end(), p.pod) == 1);
  }
  CHECK(node.workload_status().ready == 3);

  FakeNode other;  // the same content gives the same pods
  other.apply(deployment("app:1", 3));
  other.look();
  CHECK(other.uids() == node.uids());
}

TEST_CASE("a changed template rolls over within its limits", "[deployment]") {
  struct Step {
    int old_pods, new_pods;
  };
  struct Row {
    const char* what;
    int replicas;
    std::string strategy;
    std::vector<Step> steps;  // after each look, the new pods becoming ready after it
  };
  const auto row = GENERATE(values<Row>({
      {"one more, none less", 3, rolling("1", "0"), {{3, 1}, {2, 2}, {1, 3}, {0, 3}}},
      {"none more, one less", 3, rolling("0", "1"), {{2, 1}, {1, 2}, {0, 3}, {0, 3}}},
      {"25% of each by default: 1 and 1", 4, "", {{3, 2}, {1, 4}, {0, 4}}},
      {"all at once", 4, rolling("100%", "0"), {{4, 4}, {0, 4}}},
      {"none need stay", 2, rolling("0", "100%"), {{0, 2}, {0, 2}}},
      {"percentages: up for surge, down for unavailable", 3, rolling("1%", "60%"), {{2, 2}, {0, 3}}},
      {"both rounded to nothing: one may be missing", 1, rolling("0", "10%"), {{0, 1}}},
  }));
  INFO(row.what);
  FakeNode node;
  node.apply(deployment("app:1", row.replicas, row.strategy));
  node.settle();
  REQUIRE(node.ready_pods() == row.replicas);
  node.apply(deployment("app:2", row.replicas, row.strategy));
  for (const auto& step : row.steps) {
    node.look();
    CHECK(node.running("app:1") == step.old_pods);
    CHECK(node.running("app:2") == step.new_pods);
    CHECK((node.workload_status().message == "rolling out") == (step.old_pods > 0 || step.new_pods < row.replicas));
    node.remove_stopped();
    node.make_ready();
  }
}

TEST_CASE("a rollout waits while its new pods are not ready", "[deployment]") {
  FakeNode node;
  node.apply(deployment("app:1", 4, rolling("1", "1")));
  node.settle();
  node.apply(deployment("app:broken", 4, rolling("1", "1")));
  for (int i = 0; i < 10; ++i) {
    node.look();
    node.remove_stopped();
  }
  CHECK(node.running("app:1") == 3);
  CHECK(node.running("app:broken") == 2);
  const auto survivors = node.uids();

  SECTION("going back keeps the old pods that are left") {
    node.apply(deployment("app:1", 4, rolling("1", "1")));
    node.settle();
    CHECK(node.running("app:1") == 4);
    CHECK(node.running("app:broken") == 0);
    CHECK(node.count([&](const auto& p) { return survivors.count(p.pod->metadata.uid) > 0; }) == 3);
  }
  SECTION("a third template replaces both, the broken ones first") {
    node.apply(deployment("app:3", 4, rolling("1", "1")));
    node.look();
    CHECK(node.running("app:1") == 3);
    CHECK(node.running("app:broken") == 0);
    CHECK(node.running("app:3") == 2);
    node.settle();
    CHECK(node.running("app:3") == 4);
    CHECK(node.running() == 4);
  }
}

TEST_CASE("old pods that are unready for a moment are not all thrown away", "[deployment]") {
  FakeNode node;
  node.apply(deployment("app:1", 4, rolling("1", "1")));
  node.settle();
  node.apply(deployment("app:broken", 4, rolling("1", "1")));
  node.look();
  node.remove_stopped();
  for (auto& p : node.pods) {
    if (image_of(*p.pod) == "app:1") node.set_status(p, "Running", false);
  }
  node.look();
  CHECK(node.running("app:1") == 3);
}

TEST_CASE("minReadySeconds holds a rollout back, and the time is told", "[deployment]") {
  const std::string more = "  minReadySeconds: 30\n" + rolling("1", "0");
  FakeNode node;
  node.apply(deployment("app:1", 2, more));
  node.settle();
  node.now += std::chrono::seconds(60);
  node.apply(deployment("app:2", 2, more));
  node.look();
  node.make_ready();
  node.look();
  CHECK(node.running("app:1") == 2);
  CHECK(node.last.wake_at == node.now + std::chrono::seconds(30));
  node.now += std::chrono::seconds(29);
  node.look();
  CHECK(node.running("app:1") == 2);
  node.now += std::chrono::seconds(1);
  node.look();
  CHECK(node.running("app:1") == 1);
  CHECK(node.running("app:2") == 2);
}

TEST_CASE("of old pods those that are available stay, not those that are just ready", "[deployment]") {
  const std::string more = "  minReadySeconds: 30\n" + rolling("0", "1");
  FakeNode node;
  node.apply(deployment("app:1", 2, more));
  node.settle();
  node.now += std::chrono::seconds(60);
  node.set_status(node.pods[0], "Running", true);  // ready again since now
  const auto stays = node.pods[1].pod->metadata.uid;
  node.apply(deployment("app:2", 2, more));
  node.look();
  CHECK(node.running("app:1") == 1);
  CHECK(node.uids().count(stays) == 1);
}

TEST_CASE("Recreate starts the new pods when the old ones are gone", "[deployment]") {
  FakeNode node;
  node.apply(deployment("app:1", 2, kRecreate));
  node.settle();
  node.apply(deployment("app:2", 2, kRecreate));
  node.look();
  CHECK(node.running() == 0);
  node.look();
  CHECK(node.running() == 0);
  CHECK(node.workload_status().message == "rolling out");
  node.remove_stopped();
  node.look();
  CHECK(node.running("app:2") == 2);
}

TEST_CASE("Recreate scales without waiting for pods of its own template", "[deployment]") {
  FakeNode node;
  node.apply(deployment("app:1", 3, kRecreate));
  node.settle();
  node.apply(deployment("app:1", 1, kRecreate));
  node.look();
  REQUIRE(node.running() == 1);
  node.apply(deployment("app:1", 2, kRecreate));
  node.look();
  CHECK(node.running() == 2);
}

TEST_CASE("a paused Deployment scales but does not roll over", "[deployment]") {
  FakeNode node;
  SECTION("new") {
    node.apply(deployment("app:1", 2, kPaused));
    node.look();
    CHECK(node.running() == 0);
    CHECK(node.workload_status().message == "paused");
  }
  SECTION("changed") {
    node.apply(deployment("app:1", 2));
    node.settle();
    const auto before = node.uids();
    node.apply(deployment("app:2", 2, kPaused));
    node.settle();
    CHECK(node.uids() == before);
    node.apply(deployment("app:2", 2));
    node.settle();
    CHECK(node.running("app:2") == 2);
    CHECK(node.running() == 2);
  }
  SECTION("scaled") {
    node.apply(deployment("app:1", 2));
    node.settle();
    node.apply(deployment("app:1", 4, kPaused));
    node.settle();
    CHECK(node.running() == 4);
    node.apply(deployment("app:1", 1, kPaused));
    node.settle();
    CHECK(node.running() == 1);
  }
  SECTION("in the middle of a rollout") {
    node.apply(deployment("app:1", 3, rolling("1", "0")));
    node.settle();
    node.apply(deployment("app:2", 3, rolling("1", "0")));
    node.look();
    node.apply(deployment("app:2", 3, rolling("1", "0") + kPaused));
    node.settle();
    CHECK(node.running("app:1") == 3);
    CHECK(node.running("app:2") == 1);
  }
}

TEST_CASE("scaling keeps the pods that serve", "[deployment]") {
  const auto kind = GENERATE(as<std::string>(), "Deployment", "ReplicaSet");
  const auto manifest = [&](int n) {
    return workload(kind, "web", "app:1", "  replicas: " + std::to_string(n) + "\n");
  };
  FakeNode node;
  node.apply(manifest(5));
  node.settle();
  node.set_status(node.pods[0], "Running", false);
  node.set_status(node.pods[2], "Running", false);
  auto healthy = node.uids();
  healthy.erase(node.pods[0].pod->metadata.uid);
  healthy.erase(node.pods[2].pod->metadata.uid);
  node.apply(manifest(3));
  node.look();
  CHECK(node.uids() == healthy);
  node.apply(manifest(5));  // the stopping ones are still there: nothing waits for them
  node.look();
  CHECK(node.running() == 5);
  node.apply(manifest(0));
  node.look();
  CHECK(node.running() == 0);
  CHECK(node.last.workloads.at(0).desired == 0);
}

TEST_CASE("a ReplicaSet's changed template is for pods to come", "[deployment]") {
  FakeNode node;
  node.apply(workload("ReplicaSet", "rs", "app:1", "  replicas: 2\n"));
  node.settle();
  const auto before = node.uids();
  node.apply(workload("ReplicaSet", "rs", "app:2", "  replicas: 3\n"));
  node.settle();
  CHECK(node.running("app:1") == 2);
  CHECK(node.running("app:2") == 1);
  for (const auto& uid : before) CHECK(node.uids().count(uid) == 1);
}

TEST_CASE("a pod that was refused or evicted is replaced, but not all the time", "[deployment]") {
  const auto kind = GENERATE(as<std::string>(), "Deployment", "ReplicaSet");
  FakeNode node;
  node.apply(workload(kind, "web", "app:1", "  replicas: 2\n"));
  node.look();
  node.make_ready();
  node.set_status(node.pods[0], "Failed", false);
  const auto failed = node.pods[0].pod->metadata.uid;
  node.look();
  CHECK(node.uids().count(failed) == 1);
  CHECK(node.last.wake_at == kStart + std::chrono::seconds(10));
  node.now += std::chrono::seconds(10);
  node.look();
  CHECK(node.uids().count(failed) == 0);
  CHECK(node.running() == 2);
}

// Random edits and failures: whatever happens, a rollout keeps its promises, and in the end it arrives.
TEST_CASE("rollouts keep their promises", "[deployment]") {
  const int seed = GENERATE(range(0, 40));
  CAPTURE(seed);
  std::mt19937 random(static_cast<unsigned>(seed));
  const auto pick = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
  const int replicas = 1 + pick(6);
  const int surge = pick(3), unavailable = surge == 0 ? 1 + pick(replicas) : pick(replicas + 1);
  const auto strategy = rolling(std::to_string(surge), std::to_string(unavailable));
  CAPTURE(replicas, surge, unavailable);
  FakeNode node;
  node.apply(deployment("app:0", replicas, strategy));
  node.settle();
  REQUIRE(node.ready_pods() == replicas);
  std::string image;
  for (int step = 0; step < 60; ++step) {
    if (step % 12 == 0) {
      image = "app:" + std::to_string(step + 1);
      node.apply(deployment(image, replicas, strategy));
    }
    const int ready_before = node.ready_pods();
    node.look();
    CAPTURE(step);
    REQUIRE(node.running() <= replicas + surge);
    REQUIRE(node.ready_pods() >= std::min(ready_before, replicas - std::min(unavailable, replicas)));
    REQUIRE(node.uids().size() == static_cast<std::size_t>(node.running()));
    if (pick(3) == 0) node.remove_stopped();
    for (auto& p : node.pods) {
      if (!p.stopping && !ready(p) && pick(2) == 0) node.set_status(p, "Running", true);
    }
    if (pick(10) == 0 && !node.pods.empty()) {  // a pod has a bad moment
      auto& p = node.pods[static_cast<std::size_t>(pick(static_cast<int>(node.pods.size())))];
      if (!p.stopping) node.set_status(p, "Running", false);
    }
  }
  node.settle();
  CHECK(node.running(image) == replicas);
  CHECK(node.running() == replicas);
  CHECK(node.workload_status().message.empty());
  CHECK_FALSE(node.last.wake_at);
}

TEST_CASE("scaling in the middle of a rollout stays within the limits", "[deployment]") {
  const int to = GENERATE(0, 1, 2, 5, 8);
  FakeNode node;
  node.apply(deployment("app:1", 6, rolling("2", "1")));
  node.settle();
  node.apply(deployment("app:2", 6, rolling("2", "1")));
  node.look();
  node.apply(deployment("app:2", to, rolling("2", "1")));
  for (int i = 0; i < 20; ++i) {
    const int before = node.ready_pods();
    node.look();
    CHECK(node.running() <= to + 2);
    CHECK(node.ready_pods() >= std::min(before, to - 1));
    node.remove_stopped();
    node.make_ready();
  }
  CHECK(node.running("app:2") == to);
  CHECK(node.running() == to);
}

}  // namespace keelson::agent::test
