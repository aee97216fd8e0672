// Rules written to nf_tables directly are those that iptables-nft-restore would write: every shape that Services'
// chains have is known, and iptables-nft-save reads both back alike.
#include <catch2/catch.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <fstream>

#include "base/strings.hpp"
#include "proxy/iptables_backend.hpp"
#include "proxy/nft_kernel.hpp"
#include "proxy/xt_rule.hpp"
#include "tests/unit/proxy/builders.hpp"
#include "tests/unit/proxy/kernel_node.hpp"
#include "tests/unit/proxy/netns.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

struct Addresses {
  const char *cluster_ip, *external, *vip, *range, *wide, *endpoint, *local;
};
constexpr Addresses kV4{"172.30.0.1", "1.2.3.4", "5.6.7.8", "203.0.112.0/21", "0.0.0.0/0", "10.180.0.1", "10.180.0.2"};
constexpr Addresses kV6{"fd00:30::1", "fd00:1::4", "fd00:5::8", "fd00:203::/43", "::/0", "fd00:180::1", "fd00:180::2"};

// Services of every kind, whose chains have every rule that there is.
void put_all_kinds(Model& model, const Addresses& a) {
  kube::Service s = service("ns", "all", a.cluster_ip,
                            {port("t", 80, "TCP", 30080), port("u", 53, "UDP", 30053), port("s", 7, "SCTP", 30007)});
  s.spec.type = "LoadBalancer";
  s.spec.external_ips = {a.external};
  s.spec.load_balancer_source_ranges = {a.range, a.wide};
  s.status.load_balancer.ingress = {{a.vip, "", {}}};
  const auto endpoints = [&a](const std::string& name) {
    return slice("ns", name, {endpoint(a.endpoint), endpoint(a.local, kNode)},
                 {slice_port("t", 8080), slice_port("u", 5353, "UDP"), slice_port("s", 7777, "SCTP")});
  };
  put(model, s);
  put(model, endpoints("all"));
  s.metadata.name = "sticky";
  s.spec.session_affinity = "ClientIP";
  s.spec.external_traffic_policy = "Local";
  put(model, s);
  put(model, endpoints("sticky"));
}

ChainInput chains_of(const Addresses& a, const CompileOptions& o) {
  Model model;
  put_all_kinds(model, a);
  ChainInput out;
  for (const FixedChain& fixed : compile_fixed(o)) {
    if (std::string_view(fixed.name) != kMarkMasq) continue;
    out.chains += std::string(":") + fixed.name + " - [0:0]\n";
    out.rules += fixed.rules;
  }
  out.chains += std::string(":") + kServices + " - [0:0]\n:" + kNodePorts + " - [0:0]\n";
  for (const auto& [key, entry] : model.services()) {
    const ServiceRules rules = compile_service(*entry, model, o);
    for (const ChainRules& chain : rules.chains) {
      out.chains += ":" + chain.id.name() + " - [0:0]\n";
      out.rules += chain.rules;
    }
    for (const SharedRule& rule : rules.shared) {
      if (is_nat(rule.chain)) out.rules += std::string("-A ") + chain_name(rule.chain) + ' ' + rule.rule + '\n';
    }
  }
  for (const std::string& rule : compile_node_port_jumps(o))
    out.rules += std::string("-A KUBE-SERVICES ") + rule + '\n';
  return out;
}

std::vector<CompileOptions> all_options(Family family) {
  std::vector<CompileOptions> out(6, options(family));
  out[1].terse = true;
  out[2].local = {LocalDetector::Mode::interface, "cni0"};
  out[3].local = {LocalDetector::Mode::interface, "veth+"};
  out[4].masquerade_all = true;
  out[5].localhost_node_ports = false;
  return out;
}

const Addresses& addresses_of(Family family) { return family == Family::ipv4 ? kV4 : kV6; }

}  // namespace

TEST_CASE("every rule of Services' chains can be written directly") {
  const Family family = GENERATE(Family::ipv4, Family::ipv6);
  for (const CompileOptions& o : all_options(family)) {
    const ChainInput input = chains_of(addresses_of(family), o);
    for (const std::string& line : split(input.rules, '\n')) {
      INFO(line);
      if (!line.empty()) CHECK(read_xt_rule(line, family).has_value());
    }
    const auto batch = chain_batch(input, family);
    REQUIRE(batch);
    CHECK(batch->nat_rules == static_cast<std::size_t>(std::count(input.rules.begin(), input.rules.end(), '\n')));
  }
}

TEST_CASE("what iptables might understand otherwise is left to it") {
  for (const char* line : {
           "-A KUBE-X -j ACCEPT",
           "-A KUBE-X -j OTHER",
           "-A KUBE-X ! -j KUBE-Y",
           "-A KUBE-X -s 10.0.0.0/33 -j KUBE-Y",
           "-A KUBE-X ! -s 0.0.0.0/0 -j KUBE-Y",
           "-A KUBE-X -s fd00::1 -j KUBE-Y",
           "-A KUBE-X -s",
           "-A KUBE-X ! ! -s 10.0.0.1 -j KUBE-Y",
           "-A KUBE-X -j KUBE-Y !",
           "-A KUBE-X -i + -j KUBE-Y",
           "-A KUBE-X -i a-name-that-is-too-long -j KUBE-Y",
           "-A KUBE-X -p icmp -j KUBE-Y",
           "-A KUBE-X -m tcp --dport 80 -j KUBE-Y",
           "-A KUBE-X -p tcp --dport 80 -j KUBE-Y",
           "-A KUBE-X -p tcp -m udp --dport 80 -j KUBE-Y",
           "-A KUBE-X -p tcp -m tcp --dport 80:90 -j KUBE-Y",
           "-A KUBE-X -p tcp -m tcp --dport 65536 -j KUBE-Y",
           "-A KUBE-X -p tcp -m tcp --sport 80 -j KUBE-Y",
           "-A KUBE-X -p tcp -m tcp -j DNAT --to-destination 10.0.0.1",
           "-A KUBE-X -p tcp -m tcp -j DNAT --to-destination fd00::1:80",
           "-A KUBE-X -p tcp -m tcp -j DNAT --to-destination 10.0.0.1:80 --random",
           "-A KUBE-X -m comment -j KUBE-Y",
           "-A KUBE-X -m comment --comment \"with \\\" in it\" -j KUBE-Y",
           "-A KUBE-X -m comment --comment \"open -j KUBE-Y",
           "-A KUBE-X -m comment --comment a -m comment --comment b -j KUBE-Y",
           "-A KUBE-X -m statistic --mode nth --every 2 -j KUBE-Y",
           "-A KUBE-X -m statistic --mode random --probability 1.5 -j KUBE-Y",
           "-A KUBE-X -m recent --name x -j KUBE-Y",
           "-A KUBE-X -m recent --rcheck -j KUBE-Y",
           "-A KUBE-X -m addrtype -j KUBE-Y",
           "-A KUBE-X -m addrtype --src-type UNICAST -j KUBE-Y",
           "-A KUBE-X -m nfacct --nfacct-name x -j KUBE-Y",
           "-A KUBE-X -j MARK --xor-mark 0x4000",
           "-j KUBE-Y",
       }) {
    INFO(line);
    CHECK_FALSE(read_xt_rule(line, Family::ipv4).has_value());
  }
  const std::string longest = "-A KUBE-X -m comment --comment " + std::string(255, 'c');
  CHECK(read_xt_rule(longest, Family::ipv4).has_value());
  CHECK_FALSE(read_xt_rule(longest + 'c', Family::ipv4).has_value());
  CHECK_FALSE(chain_batch({":KUBE-X - [0:0]\n", "-A KUBE-X -j KUBE-Y\n-A KUBE-X -j ACCEPT\n", ""}, Family::ipv4));
}

TEST_CASE("a batch of chains makes, empties, fills and removes, in this order") {
  const auto batch =
      chain_batch({":KUBE-A - [0:0]\n:KUBE-B - [0:0]\n", "-A KUBE-A -j KUBE-C\n", "-X KUBE-B\n"}, Family::ipv4);
  REQUIRE(batch);
  CHECK(describe_batch(*batch) == std::vector<std::string>{"add table nat", "add chain KUBE-A", "add chain KUBE-B",
                                                           "flush chain KUBE-A", "flush chain KUBE-B",
                                                           "add rule to KUBE-A", "delete chain KUBE-B"});
}

TEST_CASE("iptables-nft-save reads rules written directly as its own", "[root]") {
  if (skip_unprivileged()) return;
  const Family family = GENERATE(Family::ipv4, Family::ipv6);
  const std::string tool = family == Family::ipv4 ? "iptables-nft" : "ip6tables-nft";
  const auto saved = [&tool] {
    // Base chains are there or not, and mean nothing.
    return shell(tool + "-save -t nat | grep -v -e '^#' -e '^:[A-Z]* ACCEPT'");
  };
  for (const CompileOptions& o : all_options(family)) {
    const ChainInput input = chains_of(addresses_of(family), o);
    std::string own, direct;
    {
      const NodeNamespace space;
      const std::string file = "/tmp/keelson-xt-rule-test." + std::to_string(::getpid());
      std::ofstream(file) << input.text();
      shell(tool + "-restore --noflush --counters < " + file + "; result=$?; rm " + file + "; exit $result");
      own = saved();
    }
    {
      const NodeNamespace space;
      NetlinkNft::Shared shared;
      const auto batch = chain_batch(input, family);
      REQUIRE(batch);
      for (int twice = 0; twice < 2; ++twice) {  // chains that are there are written anew
        const Result<void> written = NetlinkNft::commit_now(shared, *batch);
        INFO((written ? "" : written.error().message));
        REQUIRE(written.has_value());
      }
      direct = saved();
      // The tool finds such a rule by its own words, and removes it.
      shell(tool + " -t nat -D KUBE-MARK-MASQ -j MARK --or-mark 0x4000");
    }
    CHECK(direct == own);
    CHECK(own.find("COMMIT") != std::string::npos);
  }
}

namespace {

class FakeNft final : public NftKernel {
 public:
  Result<void> probe(Family) override { return {}; }
  Awaitable<Result<void>> commit(NftBatch batch) override {
    batches.push_back(describe_batch(batch));
    if (error) co_return *error;
    co_return Result<void>();
  }
  Result<NftTable> look(Family) override { return NftTable{}; }
  Result<std::uint64_t> foreign_changes() override { return std::uint64_t{0}; }
  Awaitable<Result<NftForeignChanges>> next_foreign_change() override {
    co_return make_error(Errc::unimplemented, "nobody else is here");
  }
  std::vector<std::vector<std::string>> batches;
  std::optional<Error> error;
};

class FakeIptables final : public IptablesRunner {
 public:
  explicit FakeIptables(IptablesBackend backend) : backend_(backend) {}
  Awaitable<Result<IptablesInfo>> probe(Family) override { co_return IptablesInfo{backend_, 10809}; }
  Awaitable<Result<std::string>> save(Family) override { co_return std::string(); }
  Awaitable<Result<void>> restore(Family, std::string input) override {
    inputs.push_back(std::move(input));
    co_return Result<void>();
  }
  Result<bool> canaries_present(Family) override { return true; }
  std::vector<std::string> inputs;

 private:
  IptablesBackend backend_;
};

// A backend with its fakes, and one Service in the kernel.
struct Backend {
  explicit Backend(IptablesBackend kind = IptablesBackend::nft, int services = 1) : iptables(kind) {
    put(model, service("ns", "web", "172.30.0.1", {port("p", 80)}));
    for (int i = 1; i < services; ++i) {
      const std::string name = "s" + std::to_string(i);
      put(model, service("ns", name, "172.30.1." + std::to_string(i), {port("p", 80)}));
      put(model, slice("ns", name, {endpoint("10.180.1." + std::to_string(i))}, {slice_port("p", 80)}));
    }
    change("10.180.0.1");
    wait(start());
  }
  void change(const std::string& ip) { put(model, slice("ns", "web", {endpoint(ip)}, {slice_port("p", 80)})); }
  Result<void> write() {
    wait(partial());
    return result;
  }
  void wait(Awaitable<void> task) {
    asio::co_spawn(loop, std::move(task), asio::detached);
    loop.restart();
    loop.run();
  }
  Awaitable<void> start() {
    auto made = co_await make_iptables_backend(iptables, &nft, Family::ipv4);
    backend = std::move(*made);
    (void)model.take_dirty();
    const CompileOptions o = options();
    result = co_await backend->full(model, o);
  }
  Awaitable<void> partial() {
    const CompileOptions o = options();
    const std::vector<std::string> dirty = model.take_dirty();
    const Result<bool> wrote = co_await backend->partial(model, o, dirty);
    result = wrote ? Result<void>() : Result<void>(wrote.error());
  }

  asio::io_context loop;
  Model model;
  FakeNft nft;
  FakeIptables iptables;
  std::unique_ptr<RuleBackend> backend;
  Result<void> result;
};

}  // namespace

TEST_CASE("a change of endpoints goes to iptables-nft's tables without the tool, one of shared chains with it") {
  Backend b;
  CHECK(b.iptables.inputs.size() == 1);
  CHECK(b.nft.batches.empty());  // a few chains go with the rest
  b.change("10.180.0.2");
  CHECK(b.write().has_value());
  CHECK(b.iptables.inputs.size() == 1);
  REQUIRE(b.nft.batches.size() == 1);
  CHECK(b.nft.batches[0].back().rfind("delete chain KUBE-SEP-", 0) == 0);
  put(b.model, service("ns", "new", "172.30.0.2", {port("p", 80)}));
  CHECK(b.write().has_value());
  CHECK(b.iptables.inputs.size() == 2);
  CHECK(b.nft.batches.size() == 1);
}

TEST_CASE("a full sync of many Services needs the tool once, between their chains and what leads to them") {
  const Backend b(IptablesBackend::nft, 100);
  CHECK(b.result.has_value());
  REQUIRE(b.nft.batches.size() == 2);
  REQUIRE(b.iptables.inputs.size() == 1);
  const auto& chains = b.nft.batches[0];
  CHECK(std::count(chains.begin(), chains.end(), "add chain KUBE-MARK-MASQ") == 1);
  CHECK(std::count(chains.begin(), chains.end(), "add rule to KUBE-SERVICES") == 0);
  CHECK(std::count(b.nft.batches[1].begin(), b.nft.batches[1].end(), "add rule to KUBE-SERVICES") == 101);
  const std::string& text = b.iptables.inputs[0];
  CHECK(text.find("-A KUBE-SERVICES") == std::string::npos);
  CHECK(text.find(":KUBE-SVC") == std::string::npos);
  const std::string nat = text.substr(text.find("*nat"));
  CHECK(nat.find(":KUBE-SERVICES - ") < nat.find("-I PREROUTING"));  // jumps need it
}

TEST_CASE("what the kernel refuses is written by the tool, from then on all") {
  Backend b;
  b.nft.error = make_error(Errc::io, "no such expression");
  b.change("10.180.0.2");
  CHECK(b.write().has_value());
  CHECK(b.nft.batches.size() == 1);
  REQUIRE(b.iptables.inputs.size() == 2);
  CHECK(b.iptables.inputs[1].find("-j DNAT --to-destination 10.180.0.2:80") != std::string::npos);
  b.change("10.180.0.3");
  CHECK(b.write().has_value());
  CHECK(b.nft.batches.size() == 1);
  CHECK(b.iptables.inputs.size() == 3);
}

TEST_CASE("a kernel that is short of memory is asked again, not the tool") {
  Backend b;
  b.nft.error = make_error(Errc::unavailable, "ENOMEM");
  b.change("10.180.0.2");
  CHECK_FALSE(b.write().has_value());
  CHECK(b.iptables.inputs.size() == 1);
}

TEST_CASE("with iptables-legacy everything goes through the tool, in one input") {
  Backend b(IptablesBackend::legacy, 100);
  CHECK(b.iptables.inputs.size() == 1);
  b.change("10.180.0.2");
  CHECK(b.write().has_value());
  CHECK(b.iptables.inputs.size() == 2);
  CHECK(b.nft.batches.empty());
}

}  // namespace keelson::proxy
