#include "agent/node/node_registrar.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "fake_cluster.hpp"
#include "fixture.hpp"
#include "kube/codec.hpp"

using namespace keelson;
using namespace keelson::agent;
using namespace keelson::agent::test;
using nlohmann::json;

namespace {

using Texts = std::vector<std::string>;
const char* const kPatch = "PATCH /api/v1/nodes/n1/status";

struct World {
  explicit World(NodeConfig c = config(), ReportSchedule schedule = {})
      : registrar(loop.io.get_executor(), api, system_clock(), std::move(c), seams(), schedule) {}

  NodeSeams seams() {
    return {[this] { return now; }, [this](const NodeEvent& e) { events.push_back(e.reason); },
            [this](std::shared_ptr<const kube::Node> n) { n ? ++changes : ++deletions; }};
  }
  ~World() { loop.stop(); }
  void start() { loop.tasks.spawn("registrar", registrar.run()); }
  [[nodiscard]] std::string ready() const {
    for (const auto& c : (*api.node)["status"]["conditions"]) {
      if (c["type"] == "Ready") return c["status"];
    }
    return {};
  }
  std::shared_ptr<const kube::Node> stored() const {
    return std::make_shared<const kube::Node>(*kube::decode<kube::Node>(*api.node));
  }
  // Whether the API server was asked to patch since the last take().
  bool patched() const {
    return std::any_of(api.requests.begin(), api.requests.end(), [](const auto& r) { return r.method == "PATCH"; });
  }

  Loop loop;
  FakeCluster api;
  NodeInput now = input();
  Texts events;
  int changes = 0, deletions = 0;
  NodeRegistrar registrar;
};

}  // namespace

TEST_CASE("a node that is not there is created, and changes follow at once") {
  World w;
  w.now.errors = {"container runtime status check may not have completed yet"};
  w.start();
  REQUIRE(w.loop.until([&] { return w.registrar.node() != nullptr; }));
  CHECK(w.api.take() == Texts{"POST /api/v1/nodes"});
  CHECK(w.ready() == "False");
  CHECK(w.registrar.uid() == "uid-11");
  CHECK(w.events == Texts{"NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"});

  w.now.errors.clear();
  w.registrar.input_changed();
  REQUIRE(w.loop.until([&] { return w.ready() == "True"; }));
  w.loop.turn(Milliseconds(20));
  CHECK(w.api.take() == Texts{kPatch});
  CHECK(w.events.back() == "NodeReady");

  w.registrar.input_changed();
  w.loop.turn(Milliseconds(20));
  CHECK(w.api.take().empty());
}

TEST_CASE("a node that was there before is taken over, with its taints and cordon, and without events") {
  World w;
  auto before = initial_node(config(), input());
  before.metadata.uid = "old";
  before.metadata.resource_version = "5";
  before.metadata.labels["kubernetes.io/hostname"] = "wrong";
  before.spec.unschedulable = true;
  before.spec.taints = {{"a", "", "NoSchedule", std::nullopt}};
  w.api.node = kube::encode(before);
  w.start();
  REQUIRE(w.loop.until([&] { return w.registrar.node() != nullptr; }));
  w.loop.turn(Milliseconds(20));
  CHECK(w.registrar.uid() == "old");
  CHECK(w.registrar.node()->metadata.labels.at("kubernetes.io/hostname") == "n1");
  CHECK(w.registrar.node()->spec.taints.size() == 1);
  CHECK(w.registrar.node()->spec.unschedulable);
  CHECK(w.events.empty());
  const auto asked = w.api.take();
  REQUIRE(asked.size() >= 3);
  CHECK(asked[1] == "GET /api/v1/nodes/n1");
  CHECK(asked[2] == kPatch);
}

TEST_CASE("forbidden to create: the node that somebody else made is taken") {
  World w;
  w.api.forbid_creation = true;
  w.start();
  w.loop.turn(Milliseconds(30));
  CHECK(w.registrar.node() == nullptr);
  w.api.node = kube::encode(initial_node(config(), input()));
  CHECK(w.loop.until([&] { return w.registrar.node() != nullptr; }));
}

TEST_CASE("without registration a node is waited for, and not brought in line") {
  auto c = config();
  c.register_node = false;
  World w(c);
  w.start();
  w.loop.turn(Milliseconds(30));
  CHECK(w.api.take() == Texts{"GET /api/v1/nodes/n1"});
  auto made = initial_node(config(), input());
  made.metadata.labels["kubernetes.io/hostname"] = "theirs";
  w.api.node = kube::encode(made);
  REQUIRE(w.loop.until([&] { return w.registrar.node() != nullptr; }));
  CHECK(w.registrar.node()->metadata.labels.at("kubernetes.io/hostname") == "theirs");
}

TEST_CASE("what nobody waits for comes at the update frequency, a sign of life at the report frequency") {
  World w(config(), ReportSchedule(Milliseconds(150), Milliseconds(600)));
  w.start();
  REQUIRE(w.loop.until([&] { return w.registrar.node() != nullptr; }));
  w.api.take();
  w.now.images = {{{}, {"a:1"}, 5}};
  w.registrar.input_changed();
  w.loop.turn(Milliseconds(30));
  CHECK_FALSE(w.patched());
  REQUIRE(w.loop.until([&] { return w.patched(); }));
  w.api.take();
  w.now.now = kStart + Seconds(10);
  REQUIRE(w.loop.until([&] { return w.patched(); }, Milliseconds(1500)));
  const auto patch = json::parse(w.api.requests.back().body);
  CHECK(patch["status"].size() == 1);
  CHECK(patch["status"]["conditions"].size() == 4);
}

TEST_CASE("an API server that is away is tried again, and the newest status is written") {
  World w;
  w.start();
  REQUIRE(w.loop.until([&] { return w.registrar.node() != nullptr; }));
  w.api.errors.assign(2, make_error(Errc::unavailable, "connection refused"));
  w.now.errors = {"first"};
  w.registrar.input_changed();
  REQUIRE(w.loop.until([&] { return w.api.errors.size() == 1; }));
  w.now.errors = {"second"};
  REQUIRE(w.loop.until([&] { return w.ready() == "False"; }));
  CHECK((*w.api.node)["status"]["conditions"].back()["message"] == "second");
  CHECK(std::count(w.events.begin(), w.events.end(), "NodeNotReady") == 1);
}

TEST_CASE("what a controller writes meanwhile is answered, and a cordon is told") {
  World w;
  w.start();
  REQUIRE(w.loop.until([&] { return w.registrar.node() != nullptr; }));
  for (auto& c : (*w.api.node)["status"]["conditions"]) c["status"] = "Unknown";
  (*w.api.node)["spec"]["unschedulable"] = true;
  (*w.api.node)["metadata"]["resourceVersion"] = w.api.next_version();
  w.events.clear();
  w.registrar.observed(w.stored());
  CHECK(w.events == Texts{"NodeNotSchedulable"});
  REQUIRE(w.loop.until([&] { return w.ready() == "True"; }));
  CHECK(w.registrar.node()->spec.unschedulable);

  auto old = *w.registrar.node();
  old.metadata.resource_version = "1";
  old.spec.unschedulable = false;
  w.registrar.observed(std::make_shared<const kube::Node>(old));
  CHECK(w.registrar.node()->spec.unschedulable);
}

TEST_CASE("a node that is deleted is left deleted, and served again when somebody makes it") {
  World w;
  w.start();
  REQUIRE(w.loop.until([&] { return w.registrar.node() != nullptr; }));
  w.api.node.reset();
  w.now.errors = {"x"};
  w.registrar.input_changed();
  REQUIRE(w.loop.until([&] { return w.deletions == 1; }));
  CHECK(w.registrar.uid().empty());
  w.api.take();
  w.registrar.input_changed();
  w.loop.turn(Milliseconds(20));
  CHECK(w.api.take().empty());

  auto again = initial_node(config(), input());
  again.metadata.uid = "new";
  w.api.node = kube::encode(again);
  w.registrar.observed(w.stored());
  CHECK(w.loop.until([&] { return w.ready() == "False"; }));
}
