#include "cni/manager.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "fixture.hpp"

namespace keelson::cni {
namespace {

using testing::attachment;
using testing::record;
using testing::run;
using testing::run_until;
using testing::World;
using Json = nlohmann::json;

// A started manager, stopped at the end of the test.
struct Running {
  explicit Running(World& w, ManagerOptions options, RuntimeConfigLookup lookup = {})
      : world(w), manager(w.io.get_executor(), w.pool, w.exec, std::move(options), std::move(lookup)) {
    REQUIRE(run(world.io, manager.start()));
  }
  explicit Running(World& w) : Running(w, w.options()) {}
  ~Running() { run(world.io, manager.stop()); }
  CniResult<AddResult> add(const std::string& id) {
    return run(world.io, manager.add(attachment(id, world.netns(id))));
  }
  CniResult<void> del(const std::string& id, const std::string& netns = "") {
    return run(world.io, manager.del(attachment(id, netns)));
  }
  World& world;
  Manager manager;
};

struct Plain : World {
  Plain() {
    plugin("one");
    conflist("10-net.conflist", "net", {"one"});
  }
  AttachmentStore store{state / "attachments", Durability::volatile_ok};
};

std::size_t files(const std::filesystem::path& dir) {
  std::error_code ec;
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(dir, ec), {}));
}

// Begins an ADD of c1 that does not end by itself, and goes away.
void cut_add(Plain& world, Running& running) {
  world.script("one", "ADD", "touch $here/began; sleep 100");
  TaskGroup callers(world.io.get_executor());
  const auto call = [](Manager& manager, Attachment a) -> Awaitable<void> {
    const auto never = co_await manager.add(std::move(a));
    CHECK_FALSE(never);
  };
  callers.spawn("caller", call(running.manager, attachment("c1", world.netns("c1"))));
  REQUIRE(run_until(world.io, [&] { return std::filesystem::exists(world.bin / "began"); }));
  callers.cancel();
}

TEST_CASE("the record is on disk before the plugin runs and gone after DEL", "[cni]") {
  Plain world;
  world.script("one", "ADD", "cat $here/../state/attachments/c1@eth0.json > $here/seen-add");
  world.script("one", "DEL", "cat $here/../state/attachments/c1@eth0.json > $here/seen-del");
  Running running(world);
  REQUIRE(running.add("c1"));
  const auto seen = parse_record(testing::slurp(world.bin / "seen-add"));
  REQUIRE(seen);
  CHECK(seen->state == AttachmentState::adding);
  CHECK(seen->pod_uid == "uid-c1");
  const auto stored = world.store.get({"c1", "eth0"}).value();
  REQUIRE(stored);
  CHECK(stored->state == AttachmentState::added);
  CHECK(Json::parse(stored->result)["ips"][0]["address"] == "10.1.2.3/24");
  const Json file = Json::parse(testing::slurp(world.store.dir() / "c1@eth0.json"));
  CHECK(file["kind"] == "cniCacheV1");
  CHECK(file["cniArgs"][1] == Json::parse(R"(["K8S_POD_UID","uid-c1"])"));
  REQUIRE(running.del("c1"));
  CHECK(parse_record(testing::slurp(world.bin / "seen-del"))->state == AttachmentState::deleting);
  CHECK(files(world.store.dir()) == 0);
  CHECK(running.manager.records().empty());
}

TEST_CASE("a repeated DEL succeeds, an empty netns too, and an unknown ID gets the present config", "[cni]") {
  Plain world;
  Running running(world);
  REQUIRE(running.add("c1"));
  REQUIRE(running.del("c1", world.netns("c1")));
  REQUIRE(running.del("c1"));
  CHECK(world.count("one", "DEL") == 1);  // the second one had nothing to do
  REQUIRE(running.del("stranger"));
  CHECK(world.calls("one").back().starts_with("DEL stranger netns= "));
  world.script("one", "DEL", "exit 1");
  CHECK(running.del("other"));  // nothing of ours is there: the runtime must not be held up
}

TEST_CASE("DEL uses the config of the ADD, not the present one", "[cni]") {
  Plain world;
  world.plugin("two");
  Running running(world);
  REQUIRE(running.add("c1"));
  world.conflist("10-net.conflist", "other", {"two"});
  REQUIRE(run_until(world.io, [&] { return running.manager.networks().networks.at(0).name == "other"; }));
  REQUIRE(running.del("c1"));
  CHECK(world.count("one", "DEL") == 1);
  CHECK(world.count("two", "DEL") == 0);
  const Json input = Json::parse(world.stdin_of("one", "DEL"));
  CHECK(input["name"] == "net");
  CHECK(input["prevResult"]["ips"][0]["address"] == "10.1.2.3/24");
}

TEST_CASE("ADD for an attachment that exists deletes the old one first", "[cni]") {
  Plain world;
  Running running(world);
  REQUIRE(running.add("c1"));
  REQUIRE(running.add("c1"));
  const auto calls = world.calls("one");
  REQUIRE(calls.size() == 3);
  CHECK(calls[1].starts_with("DEL c1"));
  CHECK(calls[2].starts_with("ADD c1"));
}

TEST_CASE("a failed ADD leaves nothing; one whose rollback failed leaves a debt that is paid later", "[cni]") {
  Plain world;
  world.script("one", "ADD", "echo '{\"code\":100,\"msg\":\"no\"}'; exit 1");
  Running running(world);
  const auto failed = running.add("c1");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == 100);
  CHECK(files(world.store.dir()) == 0);

  world.script("one", "DEL", "exit 1");
  REQUIRE_FALSE(running.add("c2"));
  CHECK(world.store.get({"c2", "eth0"}).value()->state == AttachmentState::deleting);
  REQUIRE_FALSE(running.del("c2"));  // the runtime is told, and asks again
  world.script("one", "DEL", "");
  run(world.io, running.manager.reconcile({}));
  CHECK(files(world.store.dir()) == 0);
}

TEST_CASE("an ADD whose caller goes away is killed and undone", "[cni]") {
  Plain world;
  Running running(world);
  cut_add(world, running);
  // The runtime's own DEL comes at once and waits its turn.
  REQUIRE(running.del("c1", world.netns("c1")));
  CHECK(world.count("one", "DEL") == 1);
  CHECK(files(world.store.dir()) == 0);
}

TEST_CASE("what a DEL could not undo of an ADD that was cut, the next one does", "[cni]") {
  Plain world;
  world.script("one", "DEL", "[ -e $here/tried ] || { touch $here/tried; exit 1; }");
  Running running(world);
  cut_add(world, running);
  REQUIRE(run_until(world.io, [&] { return running.manager.records().empty(); }));
  CHECK(world.count("one", "DEL") == 2);
  CHECK(files(world.store.dir()) == 0);
}

TEST_CASE("every state that a killed agent can leave is put right at the next start", "[cni]") {
  Plain world;
  const auto network = world.network({"one"});
  REQUIRE(world.store.open());
  REQUIRE(world.store.put(record(network, "adding", world.netns("adding"), AttachmentState::adding)));
  REQUIRE(world.store.put(record(network, "deleting", "/gone", AttachmentState::deleting)));
  REQUIRE(world.store.put(record(network, "live", "/gone-too", AttachmentState::added)));
  REQUIRE(world.store.put(record(network, "starting", world.netns("starting"), AttachmentState::added)));
  REQUIRE(world.store.put(record(network, "dead", "/gone-three", AttachmentState::added)));
  auto old = record(network, "orphan", world.netns("orphan"), AttachmentState::added);
  old.created -= 601;
  REQUIRE(world.store.put(old));
  testing::write(world.store.dir() / "broken@eth0.json", "{\"kind\":");
  testing::write(world.store.dir() / ".x@eth0.json.tmp-1-1", "half");
  Running running(world);
  run(world.io, running.manager.reconcile({"live"}));
  CHECK(world.count("one", "DEL") == 4);
  std::vector<std::string> left;
  for (const auto& [id, summary] : running.manager.records()) left.push_back(id.container_id);
  CHECK(left == std::vector<std::string>{"live", "starting"});
  CHECK(std::filesystem::exists(world.store.dir() / "broken@eth0.json.unreadable"));
  CHECK_FALSE(std::filesystem::exists(world.store.dir() / ".x@eth0.json.tmp-1-1"));
  CHECK(world.count("one", "GC") == 1);
  const Json gc = Json::parse(world.stdin_of("one", "GC"));
  CHECK(gc["cni.dev/valid-attachments"].size() == 2);
  run(world.io, running.manager.reconcile({"live"}));
  CHECK(world.count("one", "DEL") == 4);
  CHECK(world.count("one", "GC") == 1);
}

TEST_CASE("GC spares sandboxes that the runtime made without us", "[cni]") {
  Plain world;
  world.conflist("10-net.conflist", "net", {"one"});
  Running running(world);
  run(world.io, running.manager.reconcile({"older"}));
  CHECK(Json::parse(world.stdin_of("one", "GC"))["cni.dev/valid-attachments"] ==
        Json::parse(R"([{"containerID":"older","ifname":"eth0"}])"));
}

TEST_CASE("tombstones are replayed with the record's config and no netns", "[cni]") {
  Plain world;
  const auto network = world.network({"one"});
  REQUIRE(world.store.open());
  REQUIRE(world.store.put(record(network, "c1", "/gone", AttachmentState::added)));
  const Spool spool(world.state / "spool");
  REQUIRE(spool.put({attachment("c1", "/gone"), "{}"}));
  REQUIRE(spool.put({attachment("c2", "/gone"), "{}"}));
  world.script("one", "DEL", "exit 1");
  Running running(world);
  run(world.io, running.manager.reconcile({"c1"}));
  CHECK(spool.load().value().size() == 1);  // c1's failed; c2 has no record and is not waited for
  world.script("one", "DEL", "");
  run(world.io, running.manager.reconcile({"c1"}));
  CHECK(spool.load().value().empty());
  CHECK(running.manager.records().empty());
  CHECK(world.calls("one").back().starts_with("DEL c1 netns= "));
}

TEST_CASE("operations of one container wait for each other, those of others do not", "[cni]") {
  Plain world;
  world.script("one", "ADD", "if [ $CNI_CONTAINERID = slow ]; then while [ ! -e $here/go ]; do sleep 0.01; done; fi");
  Running running(world);
  TaskGroup callers(world.io.get_executor());
  bool slow_done = false;
  const auto call = [](Manager& manager, Attachment a, bool& done) -> Awaitable<void> {
    const auto added = co_await manager.add(std::move(a));
    CHECK(added);
    done = true;
  };
  callers.spawn("slow", call(running.manager, attachment("slow", world.netns("slow")), slow_done));
  REQUIRE(run_until(world.io, [&] { return world.count("one", "ADD") == 1; }));
  REQUIRE(running.add("quick"));
  CHECK_FALSE(slow_done);
  bool checked = false;
  const auto check = [](Manager& manager, Attachment a, bool& done) -> Awaitable<void> {
    const auto good = co_await manager.check(std::move(a));
    CHECK(good);
    done = true;
  };
  callers.spawn("check", check(running.manager, attachment("slow", ""), checked));
  run_until(
      world.io, [] { return false; }, Milliseconds(50));
  CHECK(world.count("one", "CHECK") == 0);
  testing::write(world.bin / "go", "");
  REQUIRE(run_until(world.io, [&] { return checked; }));
  CHECK(world.calls("one").back().starts_with("CHECK slow netns=" + world.netns("slow")));
}

TEST_CASE("a hundred ADDs at once while the conf dir is rewritten", "[cni]") {
  Plain world;
  Running running(world);
  TaskGroup callers(world.io.get_executor());
  int good = 0;
  const auto call = [](Manager& manager, Attachment a, int& count) -> Awaitable<void> {
    const auto added = co_await manager.add(std::move(a));
    if (added) ++count;
  };
  for (int i = 0; i < 100; ++i) {
    const std::string id = "c" + std::to_string(i);
    callers.spawn("caller", call(running.manager, attachment(id, world.netns(id)), good));
  }
  int rewrites = 0;
  REQUIRE(run_until(
      world.io,
      [&] {
        world.conflist("10-net.conflist", ++rewrites % 2 ? "odd" : "even", {"one"});
        return callers.size() == 0;
      },
      Milliseconds(60'000)));
  CHECK(good == 100);
  CHECK(running.manager.records().size() == 100);
  CHECK(world.store.load().value().size() == 100);
}

TEST_CASE("status tells what is wrong and follows the conf dir", "[cni]") {
  World world;
  std::filesystem::remove(world.conf);
  Running running(world);
  auto status = run(world.io, running.manager.status());
  CHECK_FALSE(status.ready);
  CHECK(status.message.find(world.conf.string()) != std::string::npos);
  const auto refused = running.add("c1");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == code::kTryAgainLater);

  int changes = 0;
  running.manager.on_networks_changed([&] { ++changes; });
  testing::write(world.conf / "05-bad.conflist", "{");
  world.conflist("10-net.conflist", "net", {"one"});
  REQUIRE(run_until(world.io, [&] { return !running.manager.networks().networks.empty(); }));
  CHECK(changes > 0);
  status = run(world.io, running.manager.status());
  CHECK(status.message.find("plugin \"one\" not found") != std::string::npos);
  CHECK(status.problems.size() == 1);
  world.plugin("one");
  world.script("one", "STATUS", "echo '{\"code\":50,\"msg\":\"daemon is down\"}'; exit 1");
  status = run(world.io, running.manager.status());
  CHECK(status.message.find("daemon is down") != std::string::npos);
  world.script("one", "STATUS", "");
  CHECK(run(world.io, running.manager.status()).ready);
  CHECK(run(world.io, running.manager.status()).ready);
  CHECK(world.count("one", "STATUS") == 2);  // a good answer is believed for a while
}

TEST_CASE("the agent's knowledge of the pod is put over the runtime's", "[cni]") {
  Plain world;
  const auto lookup = [](const std::string& uid) -> std::optional<RuntimeConfig> {
    if (uid != "uid-c1") return std::nullopt;
    RuntimeConfig config;
    config.port_mappings = {{81, 8081, "udp", ""}};
    return config;
  };
  Running running(world, world.options(), lookup);
  REQUIRE(running.add("c1"));
  CHECK(Json::parse(world.stdin_of("one", "ADD"))["runtimeConfig"]["portMappings"][0]["hostPort"] == 81);
}

TEST_CASE("stop() in the middle of an ADD leaves its intent for the next start", "[cni]") {
  Plain world;
  world.script("one", "ADD", "touch $here/began; sleep 100");
  TaskGroup callers(world.io.get_executor());
  const auto call = [](Manager& manager, Attachment a) -> Awaitable<void> {
    const auto cut = co_await manager.add(std::move(a));
    CHECK_FALSE(cut);
  };
  {
    Running running(world);
    callers.spawn("caller", call(running.manager, attachment("c1", world.netns("c1"))));
    REQUIRE(run_until(world.io, [&] { return std::filesystem::exists(world.bin / "began"); }));
    run(world.io, running.manager.stop());
    REQUIRE(run_until(world.io, [&] { return callers.size() == 0; }));
  }
  CHECK(world.store.get({"c1", "eth0"}).value()->state == AttachmentState::adding);
  Running next(world);
  run(world.io, next.manager.reconcile({}));
  CHECK(world.count("one", "DEL") == 1);
  CHECK(files(world.store.dir()) == 0);
}

}  // namespace
}  // namespace keelson::cni
