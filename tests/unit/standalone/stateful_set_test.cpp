// StatefulSets: order, updates from the highest ordinal, claims.
#include <random>

#include "tests/unit/standalone/fixture.hpp"

namespace keelson::agent::test {
namespace {

using Names = std::set<std::string>;

std::string stateful(const std::string& image, int replicas, const std::string& more = "") {
  return workload("StatefulSet", "db", image,
                  "  serviceName: db\n  replicas: " + std::to_string(replicas) + "\n" + more);
}

const std::string kParallel = "  podManagementPolicy: Parallel\n";
const std::string kClaims =
    "  volumeClaimTemplates:\n"
    "  - metadata: {name: data, labels: {tier: db}}\n"
    "    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n";

std::string partition(int n) {
  return "  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: " + std::to_string(n) + "}}\n";
}

Names claim_names(const Expansion& e) {
  Names out;
  for (const auto& c : e.claims) out.insert(kube::object_key(c->metadata));
  return out;
}

std::string images(FakeNode& node, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    const auto* p = node.find("db-" + std::to_string(i));
    out += p == nullptr ? '-' : p->stopping ? '.' : image_of(*p->pod).back();
  }
  return out;
}

}  // namespace

TEST_CASE("OrderedReady starts each pod when those before it are ready", "[statefulset]") {
  FakeNode node;
  node.apply(stateful("app:1", 3));
  node.look();
  CHECK(node.names() == Names{"db-0"});
  CHECK(node.workload_status().message == "db-1 waits for db-0 to be ready");
  node.look();
  CHECK(node.names() == Names{"db-0"});
  node.make_ready();
  node.look();
  CHECK(node.names() == Names{"db-0", "db-1"});
  node.set_status(node.at("db-0"), "Running", false);  // db-1 alone is not enough
  node.set_status(node.at("db-1"), "Running", true);
  node.look();
  CHECK(node.names() == Names{"db-0", "db-1"});
  node.make_ready();
  node.look();
  CHECK(node.names() == Names{"db-0", "db-1", "db-2"});
  node.make_ready();
  node.look();
  CHECK(node.workload_status() == WorkloadStatus{"StatefulSet", "default", "db", 3, 3, 3, 3});
}

TEST_CASE("OrderedReady counts minReadySeconds", "[statefulset]") {
  FakeNode node;
  node.apply(stateful("app:1", 2, "  minReadySeconds: 5\n"));
  node.look();
  node.make_ready();
  node.look();
  CHECK(node.names() == Names{"db-0"});
  CHECK(node.last.wake_at == kStart + std::chrono::seconds(5));
  node.now += std::chrono::seconds(5);
  node.look();
  CHECK(node.names() == Names{"db-0", "db-1"});
}

TEST_CASE("Parallel starts and stops all pods at once", "[statefulset]") {
  FakeNode node;
  node.apply(stateful("app:1", 3, kParallel));
  node.look();
  CHECK(node.names() == Names{"db-0", "db-1", "db-2"});
  node.apply(stateful("app:1", 1, kParallel));
  node.look();
  CHECK(node.names() == Names{"db-0"});
}

TEST_CASE("a StatefulSet's pod knows its name, its index and its claims", "[statefulset]") {
  FakeNode node;
  node.apply(stateful("app:1", 2, kClaims + "  ordinals: {start: 5}\n"));
  node.settle();
  REQUIRE(node.names() == Names{"db-5", "db-6"});
  const auto& pod = *node.at("db-6").pod;
  CHECK(pod.spec.hostname == "db-6");
  CHECK(pod.spec.subdomain == "db");
  CHECK(label_of(pod, "statefulset.kubernetes.io/pod-name") == "db-6");
  CHECK(label_of(pod, "apps.kubernetes.io/pod-index") == "6");
  CHECK(label_of(pod, kControllerRevision).starts_with("db-"));
  REQUIRE(pod.spec.volumes.size() == 1);
  CHECK(pod.spec.volumes[0].name == "data");
  REQUIRE(pod.spec.volumes[0].persistent_volume_claim);
  CHECK(pod.spec.volumes[0].persistent_volume_claim->claim_name == "data-db-6");
  CHECK(claim_names(node.last) == Names{"default/data-db-5", "default/data-db-6"});
  CHECK(node.last.claims[0]->metadata.labels.at("tier") == "db");
}

TEST_CASE("scaling down takes the highest first, one at a time", "[statefulset]") {
  FakeNode node;
  node.apply(stateful("app:1", 4, kClaims));
  node.settle();
  node.apply(stateful("app:1", 1, kClaims));
  node.look();
  CHECK(node.names() == Names{"db-0", "db-1", "db-2"});
  node.look();
  CHECK(node.names() == Names{"db-0", "db-1", "db-2"});  // db-3 still stops
  CHECK(claim_names(node.last).count("default/data-db-3") == 1);
  node.remove_stopped();
  SECTION("until only those wanted are left") {
    node.look();
    CHECK(node.names() == Names{"db-0", "db-1"});
    node.settle();
    CHECK(node.names() == Names{"db-0"});
    CHECK(claim_names(node.last) == Names{"default/data-db-0"});
  }
  SECTION("but not while one before is not ready") {
    node.set_status(node.at("db-0"), "Running", false);
    node.look();
    CHECK(node.names() == Names{"db-0", "db-1", "db-2"});
    node.set_status(node.at("db-0"), "Running", true);
    node.set_status(node.at("db-1"), "Running", false);
    node.look();
    CHECK(node.names() == Names{"db-0", "db-1", "db-2"});
  }
  SECTION("a broken one may go itself") {
    node.set_status(node.at("db-2"), "Running", false);
    node.look();
    CHECK(node.names() == Names{"db-0", "db-1"});
  }
}

TEST_CASE("claims of a set that was scaled down keep their volumes", "[statefulset]") {
  const std::map<std::string, std::string> bound = {{"default/data-db-0", "pv0"},   {"default/data-db-1", "pv1"},
                                                    {"default/data-db-12", "pv12"}, {"default/data-db-x", "pv2"},
                                                    {"default/data-db-01", "pv3"},  {"default/other-db-1", "pv4"},
                                                    {"other/data-db-1", "pv5"}};
  const auto retained = [&](const std::string& more) {
    Names out;
    for (const auto& c : retained_claims(load(stateful("app:1", 1, kClaims + more)), bound)) {
      out.insert(kube::object_key(c->metadata));
    }
    return out;
  };
  CHECK(retained("") == Names{"default/data-db-1", "default/data-db-12"});
  CHECK(retained("  persistentVolumeClaimRetentionPolicy: {whenScaled: Delete}\n").empty());
}

TEST_CASE("an update goes from the highest ordinal to the lowest", "[statefulset]") {
  const auto policy = GENERATE(as<std::string>(), "", kParallel);
  FakeNode node;
  node.apply(stateful("app:1", 3, policy));
  node.settle();
  node.apply(stateful("app:2", 3, policy));
  const auto step = [&](const char* expected) {
    node.look();
    CHECK(images(node, 3) == expected);
  };
  step("11.");
  step("11.");
  node.remove_stopped();
  step("112");
  step("112");
  CHECK(node.workload_status().message == "rolling out");
  node.make_ready();
  step("1.2");
  node.remove_stopped();
  step("122");
  node.make_ready();
  step(".22");
  node.remove_stopped();
  step("222");
  node.make_ready();
  step("222");
  CHECK(node.workload_status().message.empty());
}

TEST_CASE("a partition keeps the ordinals below it as they are", "[statefulset]") {
  FakeNode node;
  node.apply(stateful("app:1", 4));
  node.settle();
  node.apply(stateful("app:2", 4, partition(2)));
  node.settle();
  CHECK(images(node, 4) == "1122");
  node.apply(stateful("app:2", 4, partition(9)));
  node.settle();
  CHECK(images(node, 4) == "1122");
  node.apply(stateful("app:2", 4, partition(0)));
  node.settle();
  CHECK(images(node, 4) == "2222");
}

TEST_CASE("OnDelete replaces nothing by itself", "[statefulset]") {
  FakeNode node;
  node.apply(stateful("app:1", 2));
  node.settle();
  node.apply(stateful("app:2", 2, "  updateStrategy: {type: OnDelete}\n"));
  node.settle();
  CHECK(images(node, 2) == "11");
  std::erase_if(node.pods, [](const auto& p) { return p.pod->metadata.name == "db-0"; });
  node.settle();
  CHECK(images(node, 2) == "21");
}

TEST_CASE("a broken template can be mended", "[statefulset]") {
  FakeNode node;
  SECTION("when the first pod never became ready") {
    node.apply(stateful("app:x", 3));
    node.look();
    node.apply(stateful("app:2", 3));
    node.look();
    node.remove_stopped();
    node.look();
    CHECK(images(node, 3) == "2--");
  }
  SECTION("when an update stopped at the first broken pod") {
    node.apply(stateful("app:1", 3));
    node.settle();
    node.apply(stateful("app:x", 3));
    for (int i = 0; i < 5; ++i) {
      node.look();
      node.remove_stopped();
    }
    CHECK(images(node, 3) == "11x");
    node.set_status(node.at("db-1"), "Running", false);  // a bad moment does not get it a broken successor
    node.look();
    CHECK(images(node, 3) == "11x");
    node.set_status(node.at("db-1"), "Running", true);
    node.apply(stateful("app:2", 3));
    node.look();
    CHECK(images(node, 3) == "11.");
  }
  node.settle();
  CHECK(images(node, 3) == "222");
}

TEST_CASE("a StatefulSet's pod that was evicted comes back by the same name", "[statefulset]") {
  FakeNode node;
  node.apply(stateful("app:1", 2));
  node.settle();
  node.set_status(node.at("db-1"), "Failed", false);
  node.now += std::chrono::seconds(60);
  node.look();
  CHECK(node.at("db-1").stopping);
  CHECK(node.last.wake_at == node.now);
  node.look();
  CHECK(node.at("db-1").stopping);
  node.remove_stopped();
  node.look();
  REQUIRE(node.names() == Names{"db-0", "db-1"});
  CHECK(node.at("db-1").status->phase == "Pending");
}

TEST_CASE("StatefulSets keep their promises", "[statefulset]") {
  const int seed = GENERATE(range(0, 30));
  CAPTURE(seed);
  std::mt19937 random(static_cast<unsigned>(seed));
  const auto pick = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
  const auto policy = seed % 2 == 0 ? std::string() : kParallel;
  int replicas = 1 + pick(4);
  FakeNode node;
  node.apply(stateful("app:0", replicas, policy));
  node.settle();
  std::string image;
  for (int step = 0; step < 60; ++step) {
    CAPTURE(step);
    if (step % 15 == 0) {
      image = "app:" + std::to_string(step + 1);
      node.apply(stateful(image, replicas, policy));
    }
    const int before = node.ready_pods();
    node.look();
    REQUIRE(node.ready_pods() >= before - 1);  // never more than one at a time is taken down
    if (before < replicas) REQUIRE(node.ready_pods() == before);
    if (pick(3) == 0) node.remove_stopped();
    for (auto& p : node.pods) {
      if (!p.stopping && !ready(p) && pick(2) == 0) node.set_status(p, "Running", true);
    }
  }
  replicas = pick(5);
  node.apply(stateful(image, replicas, policy));
  node.settle();
  CHECK(node.running(image) == replicas);
  CHECK(node.running() == replicas);
}

}  // namespace keelson::agent::test
