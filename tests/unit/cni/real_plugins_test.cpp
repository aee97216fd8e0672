// Debian's plugins in a network namespace of their own: the protocol as real plugins speak it.
#include <unistd.h>
#include <catch2/catch.hpp>

#include "base/log.hpp"
#include "base/subprocess.hpp"
#include "fixture.hpp"

namespace keelson::cni {
namespace {

using testing::run;
using testing::World;

// Runs plugins inside the namespace that stands for the host, by nsenter.
class HostNetns final : public PluginExec {
 public:
  HostNetns(ProcessExec& real, std::string name) : real_(real), name_(std::move(name)) {}
  Result<std::filesystem::path> find(const std::string& type,
                                     const std::vector<std::filesystem::path>& dirs) const override {
    return real_.find(type, dirs);
  }
  Awaitable<Result<CommandResult>> run(Command command) override {
    command.argv.insert(command.argv.begin(), {"nsenter", "--net=/run/netns/" + name_});
    return real_.run(std::move(command));
  }

 private:
  ProcessExec& real_;
  std::string name_;
};

struct Namespaces {
  explicit Namespaces(World& w) : world(w) {
    for (const auto& name : {host, pod}) sh("ip netns add " + name);
  }
  ~Namespaces() {
    for (const auto& name : {pod, host}) sh("ip netns del " + name);
  }
  CommandResult sh(const std::string& script) {
    Command command;
    command.argv = {"sh", "-c", script};
    return run(world.io, run_command(std::move(command))).value();
  }
  World& world;
  const std::string host = "kcni-host-" + std::to_string(::getpid());
  const std::string pod = "kcni-pod-" + std::to_string(::getpid());
};

TEST_CASE("bridge, host-local, portmap and loopback: ADD, CHECK, DEL", "[cni][node]") {
  if (::getuid() != 0 || !std::filesystem::exists("/usr/lib/cni/bridge")) {
    WARN("skipped: needs root and Debian's containernetworking-plugins");
    return;
  }
  World world;
  Namespaces spaces(world);
  HostNetns exec(world.exec, spaces.host);
  const std::string data = (world.dir.path / "ipam").string();
  testing::write(world.conf / "10-real.conflist", R"({"cniVersion":"1.0.0","name":"kcni","plugins":[
    {"type":"bridge","bridge":"kcni0","isGateway":true,"ipMasq":false,
     "ipam":{"type":"host-local","dataDir":")" + data +
                                                      R"(","ranges":[[{"subnet":"10.231.7.0/29"}]]}},
    {"type":"portmap","capabilities":{"portMappings":true}}]})");
  auto options = world.options();
  options.bin_dirs = {"/usr/lib/cni"};
  options.netns_exists = {};
  Manager manager(world.io.get_executor(), world.pool, exec, options);
  REQUIRE(run(world.io, manager.start()));
  const std::string netns = "/run/netns/" + spaces.pod;
  Chain chain(exec, {"/usr/lib/cni"});
  const auto lo_list = R"({"cniVersion":"0.3.1","name":"lo","plugins":[{"type":"loopback"}]})";
  const NetworkConfig loopback = parse_network_list(lo_list, {}).value();
  auto lo = testing::attachment("lo", netns);
  lo.ifname = "lo";
  const auto lo_added = run(world.io, chain.add(loopback, lo));
  REQUIRE(lo_added.result);
  CHECK(lo_added.result->ips.at(0).address == "127.0.0.1/8");
  CHECK(run(world.io, chain.del(loopback, lo, "")));
  // Seven addresses do not last for these rounds unless every DEL gives its one back.
  for (int round = 0; round < 8; ++round) {
    auto pod = testing::attachment("real" + std::to_string(round), netns);
    // portmap 1.1's CHECK looks for an ip6tables chain even where all addresses are IPv4: half the rounds have no
    // ports.
    const bool ports = round % 2 == 0;
    if (!ports) pod.runtime_config.clear();
    const auto added = run(world.io, manager.add(pod));
    REQUIRE(added);
    REQUIRE(added->ips.size() == 1);
    CHECK(added->ips.back().address.starts_with("10.231.7."));
    if (!ports) CHECK(run(world.io, manager.check(pod)));
    CHECK(spaces.sh("nsenter --net=" + netns + " ip -4 addr show eth0").out.find("10.231.7.") != std::string::npos);
    const auto rules = spaces.sh("nsenter --net=/run/netns/" + spaces.host + " iptables -t nat -S").out;
    CHECK((rules.find("8080") != std::string::npos) == ports);
    CHECK(run(world.io, manager.del(pod)));
    CHECK(run(world.io, manager.del(pod)));
  }
  CHECK(spaces.sh("nsenter --net=" + netns + " ip link show eth0").exit_code != 0);
  CHECK(spaces.sh("nsenter --net=/run/netns/" + spaces.host + " iptables -t nat -S").out.find("8080") ==
        std::string::npos);
  CHECK(spaces.sh("ls " + data + "/kcni | grep -c ^10").out == "0\n");
  run(world.io, manager.stop());
}

}  // namespace
}  // namespace keelson::cni
