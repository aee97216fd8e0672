// The real shim binary, with the agent's server and without it.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <sys/socket.h>
#include <sys/un.h>

#include "base/subprocess.hpp"
#include "base/unique_fd.hpp"
#include "cni/server.hpp"
#include "cni/shim_config.hpp"
#include "fixture.hpp"

namespace keelson::cni {
namespace {

using testing::attachment;
using testing::run;
using testing::run_until;
using testing::World;
using Json = nlohmann::json;

struct ShimWorld : World {
  ShimWorld() {
    plugin("one");
    conflist("10-net.conflist", "net", {"one"});
  }

  Command command(const std::string& verb, const std::string& id, const std::string& netns_path) {
    Command out;
    out.argv = {(std::filesystem::read_symlink("/proc/self/exe").parent_path() / "keelson-cni").string()};
    out.env = {"CNI_COMMAND=" + verb,
               "CNI_CONTAINERID=" + id,
               "CNI_NETNS=" + netns_path,
               "CNI_IFNAME=eth0",
               "CNI_ARGS=IgnoreUnknown=1;K8S_POD_UID=uid-" + id,
               "CNI_PATH=/nowhere",
               "PATH=/usr/bin:/bin"};
    const Json config = {{"cniVersion", version},      {"name", "keelson"},
                         {"type", "keelson-cni"},      {"socket", socket.string()},
                         {"stateDir", state.string()}, {"binDirs", {bin.string()}},
                         {"connectTimeoutMs", 100},    {"runtimeConfig", {{"portMappings", {{{"hostPort", 80}}}}}}};
    out.stdin_data = config.dump();
    return out;
  }
  CommandResult shim(const std::string& verb, const std::string& id, const std::string& netns_path = "") {
    return run(io, run_command(command(verb, id, netns_path))).value();
  }

  std::filesystem::path socket = dir.path / "cni.sock";
  std::string version = "1.0.0";
  AttachmentStore store{state / "attachments", Durability::volatile_ok};
};

struct Agent {
  explicit Agent(ShimWorld& w)
      : world(w),
        manager(w.io.get_executor(), w.pool, w.exec, w.options()),
        server(w.io.get_executor(), manager, ServerOptions{.socket = w.socket, .request_timeout = Milliseconds(200)}) {
    REQUIRE(run(world.io, manager.start()));
    REQUIRE(server.start());
  }
  ~Agent() {
    run(world.io, server.stop());
    run(world.io, manager.stop());
  }
  ShimWorld& world;
  Manager manager;
  Server server;
};

TEST_CASE("the shim passes operations to the agent and prints the result in the runtime's version", "[cni]") {
  ShimWorld world;
  Agent agent(world);
  auto out = world.shim("ADD", "c1", world.netns("c1"));
  REQUIRE(out.ok());
  const Json result = Json::parse(out.out);
  CHECK(result["cniVersion"] == "1.0.0");
  CHECK(result["interfaces"][0]["name"] == "eth0");
  CHECK(Json::parse(world.stdin_of("one", "ADD"))["runtimeConfig"]["portMappings"][0]["hostPort"] == 80);
  world.version = "0.2.0";
  out = world.shim("ADD", "c2", world.netns("c2"));
  CHECK(Json::parse(out.out)["ip4"]["ip"] == "10.1.2.3/24");
  world.version = "1.1.0";
  CHECK(world.shim("CHECK", "c1", world.netns("c1")).ok());
  CHECK(world.shim("STATUS", "").ok());
  CHECK(world.shim("GC", "").ok());
  CHECK(world.shim("DEL", "c1", world.netns("c1")).ok());
  CHECK(world.shim("DEL", "c1").ok());
  world.script("one", "ADD", "echo '{\"code\":103,\"msg\":\"full\"}'; exit 1");
  out = world.shim("ADD", "c3", world.netns("c3"));
  CHECK(out.exit_code == 1);
  CHECK(Json::parse(out.out)["code"] == 103);
  out = world.shim("CHECK", "c3", world.netns("c3"));
  CHECK(Json::parse(out.out)["code"] == code::kContainerUnknown);
  CHECK((std::filesystem::status(world.socket).permissions() & std::filesystem::perms(077)) ==
        std::filesystem::perms::none);
}

TEST_CASE("a shim that is killed in the middle of ADD aborts it", "[cni]") {
  ShimWorld world;
  Agent agent(world);
  world.script("one", "ADD", "touch $here/began; sleep 100");
  TaskGroup runtime(world.io.get_executor());
  const auto call = [](Command command) -> Awaitable<void> {
    const auto killed = co_await run_command(std::move(command));
    CHECK_FALSE(killed);
  };
  runtime.spawn("shim", call(world.command("ADD", "c1", world.netns("c1"))));
  REQUIRE(run_until(world.io, [&] { return std::filesystem::exists(world.bin / "began"); }));
  runtime.cancel();
  REQUIRE(run_until(world.io, [&] { return world.count("one", "DEL") == 1 && agent.manager.records().empty(); }));
}

TEST_CASE("an agent that goes away in the middle of ADD makes the shim say: try again later", "[cni]") {
  ShimWorld world;
  world.script("one", "ADD", "touch $here/began; sleep 100");
  TaskGroup runtime(world.io.get_executor());
  std::string printed;
  const auto call = [](Command command, std::string& into) -> Awaitable<void> {
    const auto ended = co_await run_command(std::move(command));
    CHECK(ended);
    into = ended ? ended->out : "";
  };
  {
    Agent agent(world);
    runtime.spawn("shim", call(world.command("ADD", "c1", world.netns("c1")), printed));
    REQUIRE(run_until(world.io, [&] { return std::filesystem::exists(world.bin / "began"); }));
  }
  REQUIRE(run_until(world.io, [&] { return !printed.empty(); }));
  CHECK(Json::parse(printed)["code"] == code::kTryAgainLater);
  // The runtime then rolls back; the shim does that without the agent, or the next agent does.
  REQUIRE(world.shim("DEL", "c1", world.netns("c1")).ok());
  CHECK(world.store.load().value().empty());
  CHECK(world.count("one", "DEL") >= 1);
}

TEST_CASE("without the agent: VERSION is answered, ADD and STATUS refuse, and nothing is started", "[cni]") {
  ShimWorld world;
  auto out = world.shim("VERSION", "");
  CHECK(Json::parse(out.out)["supportedVersions"].size() == 7);
  out = world.shim("ADD", "c1", world.netns("c1"));
  CHECK(out.exit_code == 1);
  CHECK(Json::parse(out.out)["code"] == code::kTryAgainLater);
  out = world.shim("STATUS", "");
  CHECK(Json::parse(out.out)["code"] == code::kNotAvailable);
  CHECK(world.shim("CHECK", "c1").exit_code == 1);
  CHECK(world.shim("GC", "").ok());
  CHECK(world.calls("one").empty());
}

TEST_CASE("without the agent: DEL runs the chain out of the store", "[cni]") {
  ShimWorld world;
  {
    Agent agent(world);
    REQUIRE(world.shim("ADD", "c1", world.netns("c1")).ok());
  }
  REQUIRE(world.shim("DEL", "c1", world.netns("c1")).ok());
  CHECK(world.count("one", "DEL") == 1);
  CHECK(Json::parse(world.stdin_of("one", "DEL"))["prevResult"]["ips"][0]["address"] == "10.1.2.3/24");
  CHECK(world.store.load().value().empty());
  CHECK(world.shim("DEL", "c1").ok());  // the runtime's second one
  CHECK(world.count("one", "DEL") == 1);
  CHECK(Spool(world.state / "spool").load().value().empty());
}

TEST_CASE("without the agent and without a working plugin: DEL leaves a tombstone that the agent replays", "[cni]") {
  ShimWorld world;
  {
    Agent agent(world);
    REQUIRE(world.shim("ADD", "c1", world.netns("c1")).ok());
  }
  world.script("one", "DEL", "exit 1");
  REQUIRE(world.shim("DEL", "c1", "/gone").ok());
  REQUIRE(Spool(world.state / "spool").load().value().size() == 1);
  world.script("one", "DEL", "");
  Agent agent(world);
  run(world.io, agent.manager.reconcile({}));
  CHECK(Spool(world.state / "spool").load().value().empty());
  CHECK(agent.manager.records().empty());
}

TEST_CASE("while the agent holds the state but does not listen, DEL is left to it", "[cni]") {
  ShimWorld world;
  Manager manager(world.io.get_executor(), world.pool, world.exec, world.options());
  REQUIRE(run(world.io, manager.start()));
  REQUIRE(run(world.io, manager.add(attachment("c1", world.netns("c1")))));
  REQUIRE(world.shim("DEL", "c1", "/gone").ok());
  CHECK(world.count("one", "DEL") == 0);
  run(world.io, manager.reconcile({"c1"}));
  CHECK(world.count("one", "DEL") == 1);
  run(world.io, manager.stop());
}

TEST_CASE("DEL fails when neither the chain nor a tombstone is possible", "[cni]") {
  ShimWorld world;
  std::filesystem::remove_all(world.state);
  testing::write(world.state, "a file where the state dir belongs");
  const auto out = world.shim("DEL", "c1");
  CHECK(out.exit_code == 1);
  CHECK(Json::parse(out.out)["msg"].get<std::string>().find("tombstone") == 0);
}

int connect_raw(const std::filesystem::path& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

TEST_CASE("clients that send nonsense, too much or nothing are closed", "[cni]") {
  ShimWorld world;
  Agent agent(world);
  const std::string too_long("\x7f\xff\xff\xff", 4);
  for (const std::string& bytes : {std::string("\0\0\0\5hello", 9), too_long, std::string()}) {
    const UniqueFd client(connect_raw(world.socket));
    REQUIRE(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
    char buffer[4096];
    REQUIRE(run_until(world.io, [&] {
      const ssize_t n = ::recv(client.get(), buffer, sizeof buffer, 0);
      return n == 0 || (n < 0 && errno != EAGAIN);
    }));
  }
  CHECK(world.shim("STATUS", "").ok());
}

}  // namespace
}  // namespace keelson::cni
