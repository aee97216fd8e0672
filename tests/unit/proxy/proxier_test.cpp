#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "base/task_group.hpp"
#include "proxy/proxier.hpp"
#include "proxy/sysctls.hpp"
#include "tests/unit/proxy/builders.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

// A kernel that records what is written and can refuse it.
class FakeIptables final : public IptablesRunner {
 public:
  Awaitable<Result<IptablesInfo>> probe(Family family) override {
    if (family == Family::ipv6 && !ipv6) co_return make_error(Errc::failed_precondition, "no IPv6");
    co_return IptablesInfo{IptablesBackend::nft, 10809};
  }
  Awaitable<Result<std::string>> save(Family) override {
    ++saves;
    co_return saved;
  }
  Awaitable<Result<void>> restore(Family family, std::string input) override {
    inputs.push_back({family, std::move(input)});
    if (failures > 0) {
      --failures;
      co_return make_error(Errc::unavailable, "lock held");
    }
    co_return Result<void>();
  }
  Result<bool> canaries_present(Family) override { return canaries; }

  struct Input {
    Family family;
    std::string text;
    [[nodiscard]] bool full() const { return text.find(":KUBE-MARK-MASQ") != std::string::npos; }
    [[nodiscard]] bool has(const std::string& part) const { return text.find(part) != std::string::npos; }
  };
  std::vector<Input> inputs;
  std::string saved;
  int saves = 0, failures = 0;
  bool canaries = true, ipv6 = true;
};

class FakeConntrack final : public ConntrackCleaner {
 public:
  Awaitable<Result<std::size_t>> remove_stale(Family, StaleFlows stale) override {
    asked.push_back(std::move(stale));
    if (fail) co_return make_error(Errc::io, "no netlink");
    co_return std::size_t{0};
  }
  std::vector<StaleFlows> asked;
  bool fail = false;
};

struct Bench {
  explicit Bench(std::vector<std::string> node_ips = {"192.168.0.1"}, LocalMode mode = LocalMode::cluster_cidr) {
    ProxyConfig config;
    config.detect_local_mode = mode;
    config.cluster_cidrs = {"10.0.0.0/8", "fd00:10::/64"};
    config.tune_sysctls = false;
    config.min_sync_period = Milliseconds(0);
    std::vector<IpAddress> ips;
    for (const auto& text : node_ips) ips.push_back(*IpAddress::parse(text));
    proxier = std::make_unique<Proxier>(loop.get_executor(), config, kNode, ips, clock, iptables, conntrack);
    tasks.spawn("proxier", proxier->run());
  }
  ~Bench() {
    tasks.cancel();
    turn();
  }
  // Runs what can run now.
  void turn() {
    loop.restart();
    while (loop.poll() > 0) {
    }
  }
  void sync_lists() {
    proxier->services_synced();
    proxier->slices_synced();
    turn();
  }
  // Lets `by` pass and wakes the proxy, as its own timer would.
  void pass(Nanoseconds by) {
    clock.advance(by);
    proxier->set_zone("zone");  // the same zone each time: a wake-up and no more, after the first
    proxier->services_synced();
    turn();
  }

  asio::io_context loop;
  ManualClock clock{SystemTime(std::chrono::hours(500000))};
  FakeIptables iptables;
  FakeConntrack conntrack;
  std::unique_ptr<Proxier> proxier;
  TaskGroup tasks{loop.get_executor()};
};

kube::Service web() { return service("ns", "web", "172.30.0.1", {port("p80", 80)}); }
kube::EndpointSlice web_slice(const std::string& ip = "10.180.0.1") {
  return slice("ns", "web", {endpoint(ip)}, {slice_port("p80", 80)});
}

}  // namespace

TEST_CASE("nothing is written before both lists are complete, then everything at once") {
  Bench b;
  b.proxier->set_service(web());
  b.turn();
  b.proxier->services_synced();
  b.turn();
  CHECK(b.iptables.inputs.empty());
  CHECK_FALSE(b.proxier->synced());
  b.proxier->set_slice(web_slice());
  b.proxier->slices_synced();
  b.turn();
  REQUIRE(b.iptables.inputs.size() == 1);
  CHECK(b.iptables.inputs[0].full());
  CHECK(b.iptables.inputs[0].has("10.180.0.1:80"));
  const ProxierStatus status = b.proxier->status();
  REQUIRE(status.families.size() == 1);
  CHECK(status.synced);
  CHECK_FALSE(status.pending);
  CHECK(status.families[0].rules.nat == 10);
  CHECK(status.families[0].last_sync == b.clock.now());
}

TEST_CASE("in mode NodeCIDR nothing is written before the node's CIDRs are known, and all anew when they change") {
  Bench b({"192.168.0.1"}, LocalMode::node_cidr);
  b.proxier->set_service(web());
  b.proxier->set_slice(web_slice());
  b.sync_lists();
  CHECK_FALSE(b.proxier->synced());
  CHECK(b.iptables.inputs.empty());
  b.proxier->set_node_cidrs({"10.180.0.0/24"});
  b.turn();
  REQUIRE(b.iptables.inputs.size() == 1);
  CHECK(b.iptables.inputs[0].has("10.180.0.0/24"));
  CHECK_FALSE(b.iptables.inputs[0].has("10.0.0.0/8"));
  b.proxier->set_node_cidrs({"10.180.0.0/24"});
  b.turn();
  CHECK(b.iptables.inputs.size() == 1);
  b.proxier->set_node_cidrs({"10.181.0.0/24"});
  b.turn();
  REQUIRE(b.iptables.inputs.size() == 2);
  CHECK(b.iptables.inputs[1].full());
  CHECK(b.iptables.inputs[1].has("10.181.0.0/24"));
}

TEST_CASE("changes are written together, only what changed, and nothing when nothing did") {
  Bench b;
  b.proxier->set_service(web());
  b.sync_lists();
  b.proxier->set_slice(web_slice("10.180.0.7"));
  b.proxier->set_slice(web_slice("10.180.0.8"));
  b.turn();
  REQUIRE(b.iptables.inputs.size() == 2);
  CHECK_FALSE(b.iptables.inputs[1].full());
  CHECK_FALSE(b.iptables.inputs[1].has("10.180.0.7"));
  CHECK(b.iptables.inputs[1].has("10.180.0.8:80"));
  b.proxier->set_slice(web_slice("10.180.0.8"));
  b.turn();
  CHECK(b.iptables.inputs.size() == 2);
  b.proxier->remove_slice("ns/web-x");
  b.proxier->remove_service("ns/web");
  b.turn();
  REQUIRE(b.iptables.inputs.size() == 3);
  CHECK(b.iptables.inputs[2].has("-X KUBE-SVC-"));
  CHECK(b.iptables.saves == 1);
}

TEST_CASE("a failed partial sync is followed by a full one, which backs off while it fails") {
  Bench b;
  b.proxier->set_service(web());
  b.sync_lists();
  b.iptables.failures = 2;
  b.proxier->set_slice(web_slice());
  b.turn();
  REQUIRE(b.iptables.inputs.size() == 3);
  CHECK_FALSE(b.iptables.inputs[1].full());
  CHECK(b.iptables.inputs[2].full());
  CHECK(b.proxier->status().families[0].last_error == "lock held");
  CHECK(b.proxier->status().pending);
  b.proxier->set_slice(web_slice("10.180.0.9"));
  b.turn();
  CHECK(b.iptables.inputs.size() == 3);
  b.clock.advance(std::chrono::seconds(2));
  b.proxier->services_synced();
  b.turn();
  REQUIRE(b.iptables.inputs.size() == 4);
  CHECK(b.iptables.inputs[3].has("10.180.0.9:80"));
  CHECK(b.proxier->status().families[0].last_error.empty());
  CHECK(b.proxier->status().families[0].failures == 2);
}

TEST_CASE("everything is written again after a flush, hourly, and when the zone changes") {
  Bench b;
  b.sync_lists();
  b.pass(std::chrono::seconds(1));
  REQUIRE(b.iptables.inputs.size() == 2);  // the zone
  b.pass(std::chrono::seconds(40));
  CHECK(b.iptables.inputs.size() == 2);
  b.iptables.canaries = false;
  b.pass(std::chrono::seconds(5));
  CHECK(b.iptables.inputs.size() == 2);  // not looked at yet
  b.pass(std::chrono::seconds(30));
  CHECK(b.iptables.inputs.size() == 3);
  b.iptables.canaries = true;
  b.pass(std::chrono::seconds(3601));
  CHECK(b.iptables.inputs.size() == 4);
  for (const auto& input : b.iptables.inputs) CHECK(input.full());
}

TEST_CASE("both families are written when the node has both, and one that is missing does not stop the other") {
  Bench both({"192.168.0.1", "fd00::1"});
  both.sync_lists();
  REQUIRE(both.iptables.inputs.size() == 2);
  CHECK(both.iptables.inputs[0].family == Family::ipv4);
  CHECK(both.iptables.inputs[1].family == Family::ipv6);
  Bench four({"192.168.0.1", "fd00::1"});
  four.iptables.ipv6 = false;
  four.sync_lists();
  CHECK(four.iptables.inputs.size() == 1);
}

TEST_CASE("the configuration decides on local traffic and on node ports") {
  std::vector<std::string> problems;
  const auto ip = [](const char* text) { return *IpAddress::parse(text); };
  const std::vector<IpAddress> node{ip("192.168.0.1")}, interfaces{ip("127.0.0.1"), ip("192.168.0.1"), ip("10.9.0.1")};
  ProxyConfig config;
  config.cluster_cidrs = {"fd00::/64", "10.0.0.0/8"};
  CompileOptions o = compile_options(config, Family::ipv4, node, interfaces, problems);
  CHECK(o.local.match() == "-s 10.0.0.0/8");
  CHECK_FALSE(o.node_port_ips);
  CHECK(o.localhost_node_ports);
  CHECK(o.node_ip == node[0]);
  config.detect_local_mode = LocalMode::interface_name_prefix;
  config.interface_name_prefix = "veth";
  config.node_port_addresses = {"192.168.0.0/16"};
  o = compile_options(config, Family::ipv4, node, interfaces, problems);
  CHECK(o.local.not_match() == "! -i veth+");
  CHECK(o.node_port_ips == std::vector<IpAddress>{ip("192.168.0.1")});
  CHECK_FALSE(o.localhost_node_ports);
  config.node_port_addresses = {"primary"};
  CHECK(compile_options(config, Family::ipv4, node, interfaces, problems).node_port_ips == node);
  CHECK(problems.empty());
  config.node_port_addresses = {"nonsense"};
  config.detect_local_mode = LocalMode::bridge_interface;
  CHECK_FALSE(compile_options(config, Family::ipv4, node, interfaces, problems).local.enabled());
  CHECK(problems == std::vector<std::string>{"detectLocal.bridgeInterface: required in mode BridgeInterface",
                                             "nodePortAddresses: \"nonsense\" is not a CIDR"});
}

TEST_CASE("the tools' version and errors are understood") {
  CHECK(parse_iptables_version("iptables v1.8.9 (nf_tables)\n")->backend == IptablesBackend::nft);
  CHECK(parse_iptables_version("ip6tables v1.8.9 (legacy)")->backend == IptablesBackend::legacy);
  CHECK(parse_iptables_version("iptables v1.6.2")->version == 10602);
  CHECK_FALSE(parse_iptables_version("iptables").has_value());
  const std::string input = "*nat\n-A X -j Y\nCOMMIT\n";
  CHECK(failed_line("iptables-restore: line 2 failed", input) == "line 2: -A X -j Y");
  CHECK(failed_line("x\nError occurred at line: 2\nTry", input) == "line 2: -A X -j Y");
  CHECK(failed_line("iptables-restore v1.8.9 (nf_tables): \nline 3: CHAIN_DEL failed", input) == "line 3: COMMIT");
  CHECK(failed_line("no number on any line", input).empty());
}

TEST_CASE("sysctls are written where they differ, and what cannot be written is no error") {
  namespace fs = std::filesystem;
  const fs::path root = fs::temp_directory_path() / ("keelson-proxy-sysctl-" + std::to_string(::getpid()));
  const fs::path conntrack = root / "proc/sys/net/netfilter", route = root / "proc/sys/net/ipv4/conf/all";
  fs::create_directories(conntrack);
  fs::create_directories(route);
  const auto write = [](const fs::path& path, const char* text) { std::ofstream(path) << text; };
  const auto read = [](const fs::path& path) {
    std::string text;
    std::ifstream(path) >> text;
    return text;
  };
  write(route / "route_localnet", "0\n");
  write(conntrack / "nf_conntrack_tcp_be_liberal", "1\n");
  write(conntrack / "nf_conntrack_tcp_timeout_close_wait", "60\n");
  CHECK(tune_sysctls(true, 8, {}, root).tcp_be_liberal);
  CHECK(read(route / "route_localnet") == "1");
  CHECK(read(conntrack / "nf_conntrack_max") == "262144");
  CHECK(read(conntrack / "nf_conntrack_tcp_timeout_close_wait") == "3600");
  CHECK_FALSE(read_conntrack_fill(root));
  write(conntrack / "nf_conntrack_count", "17\n");
  REQUIRE(read_conntrack_fill(root));
  CHECK(read_conntrack_fill(root)->count == 17);
  CHECK(read_conntrack_fill(root)->max == 262144);
  fs::remove_all(root);
  CHECK_FALSE(tune_sysctls(true, 8, {}, root).tcp_be_liberal);
}

}  // namespace keelson::proxy
