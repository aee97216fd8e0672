#include "cni/chain.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <csignal>

#include "fixture.hpp"

namespace keelson::cni {
namespace {

using testing::attachment;
using testing::run;
using testing::World;
using Json = nlohmann::json;

ChainTiming quick() {
  ChainTiming timing;
  timing.retry_initial = Milliseconds(5);
  return timing;
}

TEST_CASE("ADD goes forward and threads prevResult; DEL goes backward with the final result", "[cni]") {
  World world;
  for (const char* type : {"one", "two"}) world.plugin(type);
  const auto network = world.network({"one", "two"});
  Chain chain(world.exec, {world.bin}, quick());
  const auto added = run(world.io, chain.add(network, attachment("c1", "/ns/1")));
  REQUIRE(added.result);
  CHECK(added.result->ips.at(0).address == "10.1.2.3/24");
  CHECK(world.calls("one").at(0) == "ADD c1 netns=/ns/1 if=eth0 args=IgnoreUnknown=1;K8S_POD_UID=uid-c1");
  const Json first = Json::parse(world.stdin_of("one", "ADD"));
  CHECK_FALSE(first.contains("prevResult"));
  CHECK(first["name"] == "net");
  CHECK(first["cniVersion"] == "1.1.0");
  CHECK(first["mark"] == "kept");
  CHECK(first["runtimeConfig"].size() == 1);  // only the declared capability
  CHECK(first["runtimeConfig"]["portMappings"][0]["hostPort"] == 80);
  CHECK(Json::parse(world.stdin_of("two", "ADD"))["prevResult"]["ips"][0]["address"] == "10.1.2.3/24");

  // The second must have been asked before the first: it says so by failing.
  world.script("two", "DEL", "echo '{\"code\":7,\"msg\":\"stop\"}'; exit 1");
  const auto failed = run(world.io, chain.del(network, attachment("c1", ""), R"({"cniVersion":"1.1.0"})"));
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == 7);
  CHECK(world.count("one", "DEL") == 0);
  CHECK(Json::parse(world.stdin_of("two", "DEL"))["prevResult"]["cniVersion"] == "1.1.0");
}

TEST_CASE("a failed ADD is rolled back with DEL of the whole list", "[cni]") {
  World world;
  for (const char* type : {"one", "two", "three"}) world.plugin(type);
  world.script("two", "ADD", "echo '{\"code\":102,\"msg\":\"no\"}'; exit 1");
  Chain chain(world.exec, {world.bin}, quick());
  const auto network = world.network({"one", "two", "three"});
  const auto outcome = run(world.io, chain.add(network, attachment("c1", "/ns/1")));
  REQUIRE_FALSE(outcome.result);
  CHECK(outcome.rolled_back);
  CHECK(outcome.result.error().code == 102);
  CHECK(world.count("three", "ADD") == 0);
  for (const char* type : {"one", "two", "three"}) CHECK(world.count(type, "DEL") == 1);

  world.script("three", "DEL", "echo broken >&2; exit 3");
  const auto stuck = run(world.io, chain.add(network, attachment("c2", "/ns/2")));
  CHECK_FALSE(stuck.rolled_back);
  CHECK(stuck.result.error().details.find("rollback failed") != std::string::npos);
}

TEST_CASE("code 11 is tried again, with a DEL between two ADDs, until the budget is spent", "[cni]") {
  World world;
  world.plugin("one");
  const std::string busy = "echo '{\"code\":11,\"msg\":\"busy\"}'; exit 1";
  world.script("one", "ADD", "if [ $(grep -c ^ADD \"$here/one.calls\") -lt 3 ]; then " + busy + "; fi");
  const auto network = world.network({"one"});
  Chain chain(world.exec, {world.bin}, quick());
  CHECK(run(world.io, chain.add(network, attachment("c1", "/ns/1"))).result);
  CHECK(world.count("one", "ADD") == 3);
  CHECK(world.count("one", "DEL") == 2);

  auto timing = quick();
  timing.add_budget = timing.del_budget = Milliseconds(300);
  Chain hasty(world.exec, {world.bin}, timing);
  world.script("one", "ADD", busy);
  const auto outcome = run(world.io, hasty.add(network, attachment("c2", "/ns/2")));
  REQUIRE_FALSE(outcome.result);
  CHECK(outcome.result.error().code == code::kTryAgainLater);
  CHECK(world.count("one", "ADD") > 4);

  world.script("one", "DEL", "if [ ! -e $here/once ]; then touch $here/once; " + busy + "; fi");
  CHECK(run(world.io, chain.del(network, attachment("c1", ""), "")));
}

TEST_CASE("the pause before another try doubles up to its maximum", "[cni]") {
  ChainTiming timing;
  timing.retry_initial = Milliseconds(250);
  timing.retry_max = Milliseconds(900);
  CHECK(retry_pause(timing, 1) == Milliseconds(250));
  CHECK(retry_pause(timing, 2) == Milliseconds(500));
  CHECK(retry_pause(timing, 3) == Milliseconds(900));
  CHECK(retry_pause(timing, 99) == Milliseconds(900));
}

TEST_CASE("a plugin that hangs is killed with its children when the time is up", "[cni]") {
  World world;
  world.plugin("one");
  world.script("one", "ADD", "sleep 100 & echo $! > $here/child; wait");
  auto timing = quick();
  timing.add_budget = Milliseconds(500);
  Chain chain(world.exec, {world.bin}, timing);
  const auto outcome = run(world.io, chain.add(world.network({"one"}), attachment("c1", "/ns/1")));
  REQUIRE_FALSE(outcome.result);
  CHECK(outcome.result.error().msg.find("time allowed ran out") != std::string::npos);
  CHECK(outcome.rolled_back);
  CHECK(world.count("one", "DEL") == 1);
  const pid_t child = std::stoi(testing::slurp(world.bin / "child"));
  const auto gone = [child] {
    const std::string stat = testing::slurp("/proc/" + std::to_string(child) + "/stat");
    return stat.empty() || stat.find(") Z") != std::string::npos;
  };
  CHECK(testing::run_until(world.io, gone));
}

TEST_CASE("malformed output and a missing binary are errors that name the plugin", "[cni]") {
  World world;
  world.plugin("one");
  Chain chain(world.exec, {world.bin}, quick());
  world.script("one", "ADD", "echo 'not json'; exit 0");
  auto outcome = run(world.io, chain.add(world.network({"one"}), attachment("c1", "/ns/1")));
  REQUIRE_FALSE(outcome.result);
  CHECK(outcome.result.error().code == code::kDecode);
  CHECK(outcome.result.error().msg.find("plugin \"one\" ADD: result: not valid JSON") == 0);
  outcome = run(world.io, chain.add(world.network({"absent"}), attachment("c1", "/ns/1")));
  REQUIRE_FALSE(outcome.result);
  CHECK(outcome.result.error().msg.find("\"absent\" not found in " + world.bin.string()) != std::string::npos);
}

TEST_CASE("a binary that is being written is tried again", "[cni]") {
  World world;
  struct Busy final : PluginExec {
    explicit Busy(World& w) : world(w) {}
    Result<std::filesystem::path> find(const std::string& type,
                                       const std::vector<std::filesystem::path>& dirs) const override {
      return world.exec.find(type, dirs);
    }
    Awaitable<Result<CommandResult>> run(Command command) override { return world.exec.run(std::move(command)); }
    World& world;
  } exec(world);
  std::filesystem::copy_file("/bin/true", world.bin / "one");
  // Held open for writing, exec says ETXTBSY; closed by the loop a little later.
  FILE* writer = std::fopen((world.bin / "one").c_str(), "a");
  REQUIRE(writer);
  asio::steady_timer timer(world.io, Milliseconds(30));
  timer.async_wait([&](const boost::system::error_code&) { std::fclose(writer); });
  Chain chain(exec, {world.bin}, quick());
  CHECK(run(world.io, chain.del(world.network({"one"}), attachment("c1", ""), "")));
}

TEST_CASE("CHECK, GC and STATUS follow the config's version and switches", "[cni]") {
  World world;
  for (const char* type : {"one", "two"}) world.plugin(type);
  Chain chain(world.exec, {world.bin}, quick());
  const auto old = world.network({"one"}, "0.3.1");
  CHECK(run(world.io, chain.check(old, attachment("c", "/n"), "")));
  CHECK(run(world.io, chain.gc(old, {})));
  CHECK(run(world.io, chain.status(old)));
  CHECK(world.calls("one").empty());

  auto now = world.network({"one", "two"});
  CHECK(run(world.io, chain.check(now, attachment("c", "/n"), R"({"ips":[]})")));
  CHECK(Json::parse(world.stdin_of("two", "CHECK")).contains("prevResult"));
  world.script("one", "GC", "echo '{\"code\":100,\"msg\":\"gc one\"}'; exit 1");
  const auto collected = run(world.io, chain.gc(now, {{"c1", "eth0"}}));
  REQUIRE_FALSE(collected);
  CHECK(collected.error().msg.find("gc one") != std::string::npos);
  const Json input = Json::parse(world.stdin_of("two", "GC"));  // the second was asked all the same
  CHECK(input["cni.dev/valid-attachments"] == Json::parse(R"([{"containerID":"c1","ifname":"eth0"}])"));
  CHECK(input["cni.dev/attachments"] == input["cni.dev/valid-attachments"]);
  world.script("two", "STATUS", "echo '{\"code\":50,\"msg\":\"no daemon\"}'; exit 1");
  const auto status = run(world.io, chain.status(now));
  REQUIRE_FALSE(status);
  CHECK(status.error().code == code::kNotAvailable);
  now.disable_check = now.disable_gc = true;
  world.script("one", "CHECK", "exit 1");
  CHECK(run(world.io, chain.check(now, attachment("c", "/n"), "")));
  CHECK(run(world.io, chain.gc(now, {})));
}

TEST_CASE("VERSION tells what a plugin supports; one that does not know it is 0.1.0", "[cni]") {
  World world;
  world.plugin("one");
  Chain chain(world.exec, {world.bin}, quick());
  CHECK(run(world.io, chain.version("one")).value() == std::vector<std::string>{"0.4.0", "1.0.0", "1.1.0"});
  world.script("one", "VERSION", "echo '{\"code\":4,\"msg\":\"unknown CNI_COMMAND: VERSION\"}'; exit 1");
  CHECK(run(world.io, chain.version("one")).value() == std::vector<std::string>{"0.1.0"});
}

TEST_CASE("CNI_ARGS go both ways", "[cni]") {
  const auto args = parse_args("A=1;B=x=y;C=");
  REQUIRE(args);
  CHECK(find_arg(*args, "B") == "x=y");
  CHECK(render_args(*args) == "A=1;B=x=y;C=");
  CHECK_FALSE(parse_args("A"));
}

}  // namespace
}  // namespace keelson::cni
