#include "agent/standalone/room.hpp"

#include <catch2/catch.hpp>

namespace keelson::agent::test {
namespace {

using PodPtr = std::shared_ptr<const kube::Pod>;

struct Wish {
  std::string name;
  std::string cpu = {};
  int host_port = 0;
  std::string node_selector = {};
  std::string owner_kind = {}, owner = {};
};

PodPtr make(const Wish& wish, const std::string& uid = {}) {
  auto pod = std::make_shared<kube::Pod>();
  pod->metadata.ns = "default";
  pod->metadata.name = wish.name;
  pod->metadata.uid = uid.empty() ? "uid-" + wish.name : uid;
  kube::Container container;
  container.name = "app";
  if (!wish.cpu.empty()) container.resources.requests["cpu"] = *kube::Quantity::parse(wish.cpu);
  if (wish.host_port > 0) {
    container.ports.emplace_back();
    container.ports.back().host_port = wish.host_port;
  }
  if (!wish.node_selector.empty()) pod->spec.node_selector["kubernetes.io/hostname"] = wish.node_selector;
  if (!wish.owner.empty()) {
    pod->metadata.owner_references.emplace_back();
    pod->metadata.owner_references.back().kind = wish.owner_kind;
    pod->metadata.owner_references.back().name = wish.owner;
  }
  pod->spec.containers.push_back(std::move(container));
  return pod;
}

ExistingPod existing(PodPtr pod, const std::string& phase, bool stopping = false) {
  auto status = std::make_shared<kube::PodStatus>();
  status->phase = phase;
  return {std::move(pod), std::move(status), stopping};
}

// "fitting names | object: reason" of a node with two CPUs and three places for pods.
std::string outcome(const std::vector<PodPtr>& wanted, const std::vector<ExistingPod>& there = {},
                    const std::set<std::string>& begun = {}, const std::vector<std::string>& pressure = {}) {
  kube::Node node;
  node.metadata.name = "n1";
  node.metadata.labels = {{"kubernetes.io/hostname", "n1"}};
  node.status.allocatable = {{"cpu", *kube::Quantity::parse("2")}, {"pods", *kube::Quantity::parse("3")}};
  const auto room = find_room({wanted, there, begun, node, {}, nullptr, pressure});
  std::string out;
  for (const auto& pod : room.fitting) out += pod->metadata.name + " ";
  out += "|";
  for (const auto& p : room.problems) out += " " + p.object + ": " + p.message.substr(0, p.message.find(':'));
  return out;
}

}  // namespace

TEST_CASE("pods wait for room in the order in which they are wanted", "[room]") {
  CHECK(outcome({make({"a"}), make({"b"})}) == "a b |");
  CHECK(outcome({make({"a", "1500m"}), make({"b", "1"}), make({"c", "500m"})}) == "a c | Pod default/b: OutOfcpu");
  CHECK(outcome({make({"a"}), make({"b"}), make({"c"}), make({"d"})}) == "a b c | Pod default/d: OutOfpods");
  CHECK(outcome({make({"a", {}, 80}), make({"b", {}, 80}), make({"c", {}, 81})}) == "a c | Pod default/b: NodePorts");
  CHECK(outcome({make({"a", {}, 0, "elsewhere"}), make({"b", {}, 0, "n1"})}) == "b | Pod default/a: NodeAffinity");
}

TEST_CASE("what runs stays, and holds what it has until it has ended", "[room]") {
  const auto big = make({"big", "2"});
  CHECK(outcome({big, make({"b", "1"})}, {existing(big, "Running")}) == "big | Pod default/b: OutOfcpu");
  CHECK(outcome({make({"b", "1"})}, {existing(big, "Running", true)}) == "| Pod default/b: OutOfcpu");
  CHECK(outcome({big, make({"b", "1"})}, {existing(big, "Succeeded")}) == "big b |");
  CHECK(outcome({make({"huge", "64"})}, {}, {"uid-huge"}) == "huge |");
  CHECK(outcome({make({"b", "1"}), big}, {}, {"uid-big"}) == "big | Pod default/b: OutOfcpu");
}

TEST_CASE("pods wait until the pressure on the node is over", "[room]") {
  const auto critical = std::make_shared<kube::Pod>(*make({"critical"}));
  critical->spec.priority = 2000001000;
  CHECK(outcome({make({"a"}), critical, make({"b", "1"})}, {}, {}, {"MemoryPressure"}) ==
        "critical b | Pod default/a: Evicted");
  CHECK(outcome({make({"a"}), make({"b"})}, {}, {"uid-a"}, {"DiskPressure"}) == "a | Pod default/b: Evicted");
}

TEST_CASE("an earlier pod of the same name makes room for the one that follows it", "[room]") {
  CHECK(outcome({make({"web", "2", 80}, "new")}, {existing(make({"web", "2", 80}, "old"), "Running", true)}) ==
        "web |");
}

TEST_CASE("the problem is about what a person wrote", "[room]") {
  CHECK(outcome({make({"web-5d4f-x1", "9", 0, {}, "ReplicaSet", "web-5d4f"})}) == "| Deployment default/web: OutOfcpu");
  CHECK(outcome({make({"db-0", "9", 0, {}, "StatefulSet", "db"})}) == "| StatefulSet default/db: OutOfcpu");
}

}  // namespace keelson::agent::test
