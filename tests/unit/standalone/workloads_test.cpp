// Bare Pods, DaemonSets, and what concerns all kinds.
#include "tests/unit/standalone/fixture.hpp"

namespace keelson::agent::test {
namespace {

std::string pod(const std::string& image, const std::string& more = "") {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: web" + more + "}\nspec:\n  containers: [{name: main, image: \"" +
         image + "\"}]\n";
}

std::string uid_of(const std::string& yaml) {
  FakeNode node;
  node.apply(yaml);
  node.look();
  return node.at("web").pod->metadata.uid;
}

}  // namespace

TEST_CASE("UIDs have the shape of UUIDs and follow from the text", "[workloads]") {
  const auto uid = stable_uid("a");
  REQUIRE(uid.size() == 36);
  for (const std::size_t at : {8, 13, 18, 23}) CHECK(uid[at] == '-');
  CHECK(uid[14] == '5');
  CHECK(std::string("89ab").find(uid[19]) != std::string::npos);
  CHECK(uid == stable_uid("a"));
  CHECK(uid != stable_uid("b"));
  CHECK(stable_suffix("a").size() == 5);
}

TEST_CASE("a bare Pod is the same pod as long as it says the same", "[workloads]") {
  const auto uid = uid_of(pod("app:1"));
  CHECK(uid == uid_of("# a comment\n" + pod("app:1")));
  CHECK(uid == uid_of(pod("app:1", ", namespace: default, creationTimestamp: null")));
  CHECK(uid != uid_of(pod("app:2")));
  CHECK(uid != uid_of(pod("app:1", ", labels: {a: b}")));
  CHECK(uid != uid_of(pod("app:1", ", annotations: {a: b}")));
  CHECK(uid != uid_of(pod("app:1", ", namespace: other")));
}

TEST_CASE("an edited bare Pod is replaced by one of its name", "[workloads]") {
  FakeNode node;
  node.apply(pod("app:1"));
  node.look();
  const auto first = node.at("web");
  CHECK(first.pod->spec.node_name == "node1");
  CHECK(first.pod->metadata.creation_timestamp == kStart);
  CHECK(first.pod->metadata.annotations.at("kubernetes.io/config.source") == "file");
  CHECK(first.pod->metadata.annotations.at("kubernetes.io/config.hash") == first.pod->metadata.uid);
  node.now += std::chrono::seconds(5);
  node.look();
  REQUIRE(node.last.pods.size() == 1);
  CHECK(node.last.pods[0] == first.pod);

  node.apply(pod("app:2"));
  node.look();
  REQUIRE(node.last.pods.size() == 1);
  CHECK(node.last.pods[0]->metadata.uid != first.pod->metadata.uid);
  CHECK(node.at("web").stopping);
  node.remove_stopped();
  node.look();
  CHECK(image_of(*node.at("web").pod) == "app:2");

  node.apply("");
  node.look();
  CHECK(node.running() == 0);
}

TEST_CASE("a bare Pod that ended stays as it is", "[workloads]") {
  FakeNode node;
  node.apply(pod("app:1"));
  node.look();
  node.finish(node.at("web"), 1);
  node.now += std::chrono::hours(1);
  node.look();
  CHECK(node.running() == 1);
  CHECK(node.last.pods[0] == node.at("web").pod);
}

TEST_CASE("two pods of one name: the first counts, the other is a problem", "[workloads]") {
  FakeNode node;
  auto manifest = pod("app:1") + "---\n" + workload("StatefulSet", "web", "app:2", "  serviceName: web\n");
  manifest.replace(manifest.find("name: web"), 9, "name: web-0");
  node.apply(manifest);
  node.look();
  REQUIRE(node.last.pods.size() == 1);
  CHECK(image_of(*node.last.pods[0]) == "app:1");
  REQUIRE(node.last.problems.size() == 1);
  CHECK(node.last.problems[0].object == "StatefulSet default/web");
  CHECK(node.last.problems[0].message == "its pod default/web-0 has the name of one of Pod default/web-0");
}

TEST_CASE("a DaemonSet runs where its pods may", "[daemonset]") {
  struct Row {
    const char* spec;
    bool runs;
  };
  const auto row = GENERATE(values<Row>({
      {"", true},
      {"      nodeName: node1\n", true},
      {"      nodeName: node2\n", false},
      {"      nodeSelector: {kubernetes.io/os: linux}\n", true},
      {"      nodeSelector: {kubernetes.io/hostname: node1}\n", true},
      {"      nodeSelector: {kubernetes.io/os: windows}\n", false},
      {"      nodeSelector: {disk: ssd}\n", false},
      {"      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
       "[{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node1]}]}]}}}\n",
       true},
      {"      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
       "[{matchExpressions: [{key: kubernetes.io/hostname, operator: NotIn, values: [node1]}]}]}}}\n",
       false},
      {"      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
       "[{matchFields: [{key: metadata.name, operator: In, values: [node1]}]}]}}}\n",
       true},
  }));
  INFO(row.spec);
  FakeNode node;
  node.apply(workload("DaemonSet", "agent", "app:1", "", row.spec));
  node.look();
  CHECK(node.running() == (row.runs ? 1 : 0));
  CHECK(node.workload_status().desired == (row.runs ? 1 : 0));
  CHECK(node.workload_status().message.empty() == row.runs);
}

TEST_CASE("a DaemonSet's pod is replaced when the one before is gone", "[daemonset]") {
  FakeNode node;
  node.apply(workload("DaemonSet", "agent", "app:1"));
  node.settle();
  const auto name = *node.names().begin();
  const auto uid = *node.uids().begin();
  SECTION("a changed template") {
    node.apply(workload("DaemonSet", "agent", "app:2"));
    node.look();
    CHECK(node.at(name).stopping);
    node.remove_stopped();
    node.look();
    CHECK(image_of(*node.at(name).pod) == "app:2");
    CHECK(node.at(name).pod->metadata.uid != uid);
  }
  SECTION("OnDelete") {
    node.apply(workload("DaemonSet", "agent", "app:2", "  updateStrategy: {type: OnDelete}\n"));
    node.settle();
    CHECK(image_of(*node.at(name).pod) == "app:1");
    CHECK(node.workload_status().up_to_date == 0);
  }
  SECTION("it was evicted") {
    node.set_status(node.at(name), "Failed", false);
    node.look();
    CHECK_FALSE(node.at(name).stopping);
    node.now += std::chrono::seconds(10);
    node.look();
    CHECK(node.at(name).stopping);
    node.remove_stopped();
    node.look();
    CHECK(node.at(name).status->phase == "Pending");
  }
}

}  // namespace keelson::agent::test
