#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <map>

#include "base/task_group.hpp"
#include "proxy/nft_kernel.hpp"
#include "proxy/nft_rules.hpp"
#include "proxy/nft_sync.hpp"
#include "proxy/proxier.hpp"
#include "tests/unit/proxy/builders.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

using Lines = std::vector<std::string>;

std::size_t count(const Lines& lines, const std::string& part) {
  return static_cast<std::size_t>(
      std::count_if(lines.begin(), lines.end(), [&](const auto& l) { return l.find(part) != std::string::npos; }));
}

// What a kernel would hold after the batches: elements by set and key. Deleting what is not there, or adding a key with
// another value, fails as the kernel would.
class Kernel {
 public:
  void apply(const NftBatch& batch) {
    for (const std::string& line : describe_batch(batch)) {
      if (line.rfind("delete table", 0) == 0) elements_.clear();
      if (line.rfind("flush set ", 0) == 0) flush(line.substr(10));
      if (line.rfind("add element ", 0) == 0) add(line.substr(12));
      if (line.rfind("delete element ", 0) == 0) CHECK(elements_.erase(line.substr(15)) == 1);
    }
  }
  [[nodiscard]] const std::map<std::string, std::string>& elements() const { return elements_; }
  [[nodiscard]] std::string value(const std::string& key) const {
    const auto it = elements_.find(key);
    return it == elements_.end() ? "" : it->second;
  }
  [[nodiscard]] bool has(const std::string& key) const { return elements_.contains(key); }

 private:
  void add(const std::string& text) {
    const std::size_t colon = text.find(" : ");
    const std::string data = colon == std::string::npos ? "" : text.substr(colon + 3);
    const auto [it, added] = elements_.emplace(text.substr(0, colon), data);
    CHECK((added || it->second == data));
  }
  void flush(const std::string& set) {
    std::erase_if(elements_, [&set](const auto& e) { return e.first.rfind(set + ' ', 0) == 0; });
  }
  std::map<std::string, std::string> elements_;
};

kube::Service numbered(int i) {
  return service("ns", "svc" + std::to_string(i), "172.30.0." + std::to_string(i), {port("p80", 80)});
}
kube::EndpointSlice numbered_slice(int i, std::vector<kube::Endpoint> endpoints) {
  return slice("ns", "svc" + std::to_string(i), std::move(endpoints), {slice_port("p80", 80)});
}

// The handlers' numbers depend on the order of Services: elements in a form that does not.
std::map<std::string, std::string> normal(const Kernel& kernel) {
  std::map<std::string, std::string> chains, out;
  for (const auto& [key, value] : kernel.elements()) {
    if (key.rfind("handlers ", 0) == 0) chains[key.substr(9)] = value;
  }
  for (auto [key, value] : kernel.elements()) {
    if (key.rfind("handlers ", 0) == 0) continue;
    if (key.find("-frontends ") != std::string::npos) value.replace(13, 10, chains.at(value.substr(13, 10)));
    out[key] = value;
  }
  return out;
}

}  // namespace

TEST_CASE("a full transaction makes the table, its chains, sets, rules and elements") {
  Model model;
  put(model, numbered(1));
  put(model, numbered_slice(1, {endpoint("10.180.0.1"), endpoint("10.180.0.2")}));
  NftSync sync(Family::ipv4);
  const NftBatch batch = sync.full(model, options(), true, {});
  const Lines lines = describe_batch(batch);
  CHECK(lines.at(1) == "delete table kube-proxy");
  CHECK(count(lines, "add chain") == nft_base_chains().size() + nft_chains().size() + 48);
  for (const char* usual : {"internal-1", "internal-32", "external-8", "nodeport-8"}) {
    CHECK(std::count(lines.begin(), lines.end(), std::string("add chain ") + usual) == 1);
  }
  CHECK(count(lines, "add set") == kNftSets);
  CHECK(count(lines, "add element service-endpoints") == 2);
  CHECK(count(lines, "add element handlers 0x00000000 : goto internal-2") == 1);
  CHECK(std::count(lines.begin(), lines.end(), "add rule to internal-2") ==
        3);  // who is not local is masqueraded; one of two; the first
  CHECK(count(lines, "flush") == 0);
  CHECK(sync.counts().elements == 4);
  CHECK(sync.counts().nat > 5);
  CHECK(sync.counts().filter > 5);
}

TEST_CASE("a table of ours is filled in place: affinity stays, chains that nobody needs go") {
  Model model;
  put(model, numbered(1));
  NftSync sync(Family::ipv4);
  const Lines lines = describe_batch(sync.full(model, options(), false, {"services", "internal-77", "external-33"}));
  CHECK(count(lines, "delete table") == 0);
  CHECK(count(lines, "flush set affinity") == 0);
  CHECK(count(lines, "flush set") == kNftSets - 1);
  CHECK(count(lines, "delete chain internal-77") == 1);
  CHECK(count(lines, "delete chain external-33") == 1);
  CHECK(count(lines, "delete chain") == 2);
}

TEST_CASE("a change writes the elements that it touches and no rule, whatever the number of Services") {
  Model model;
  for (int i = 1; i < 100; ++i) {
    put(model, numbered(i));
    put(model, numbered_slice(i, {endpoint("10.179.0.1"), endpoint("10.180.0." + std::to_string(100 + i))}));
  }
  put(model, numbered_slice(99, {endpoint("10.179.0.1")}));
  NftSync sync(Family::ipv4);
  Kernel kernel;
  kernel.apply(sync.full(model, options(), true, {}));
  (void)model.take_dirty();
  const std::size_t before = sync.counts().elements;

  put(model, numbered_slice(5, {endpoint("10.179.0.1"), endpoint("10.180.9.9")}));  // one replaced
  NftBatch batch = sync.partial(model, options(), model.take_dirty());
  CHECK(describe_batch(batch).size() == 2);
  CHECK_FALSE(batch.touches_rules);
  kernel.apply(batch);
  put(model, numbered_slice(5, {endpoint("10.179.0.1")}));  // one fewer
  batch = sync.partial(model, options(), model.take_dirty());
  CHECK(describe_batch(batch).size() == 3);  // one endpoint goes, the frontend is replaced
  CHECK_FALSE(batch.touches_rules);
  kernel.apply(batch);
  CHECK(sync.counts().elements == before - 1);
  CHECK(sync.partial(model, options(), {"ns/svc5", "ns/unknown"}).empty());

  put(model, numbered_slice(6, {endpoint("10.179.0.1"), endpoint("10.180.0.2"), endpoint("10.180.0.3")}));
  batch = sync.partial(model, options(), model.take_dirty());
  CHECK_FALSE(batch.touches_rules);  // no Service had three, but three are usual
  kernel.apply(batch);
  std::vector<kube::Endpoint> many;
  for (int i = 1; i <= 33; ++i) many.push_back(endpoint("10.181.0." + std::to_string(i)));
  put(model, numbered_slice(6, many));
  batch = sync.partial(model, options(), model.take_dirty());
  CHECK(batch.touches_rules);  // the first with so many
  CHECK(count(describe_batch(batch), "add chain internal-33") == 1);
  kernel.apply(batch);
  put(model, numbered_slice(7, many));
  batch = sync.partial(model, options(), model.take_dirty());
  CHECK_FALSE(batch.touches_rules);
  kernel.apply(batch);
  model.apply_service("ns/svc7", nullptr);
  kernel.apply(sync.partial(model, options(), model.take_dirty()));

  Kernel fresh;
  NftSync again(Family::ipv4);
  fresh.apply(again.full(model, options(), true, {}));
  CHECK(normal(kernel) == normal(fresh));
  CHECK(again.counts().elements == sync.counts().elements);
}

TEST_CASE("what two Services want stays for the one that is left") {
  Model model;
  const auto external = [](int i, const char* target) {
    kube::Service s = numbered(i);
    s.spec.external_ips = {"1.2.3.4"};
    return std::pair(s, numbered_slice(i, {endpoint(target, kNode)}));
  };
  for (const int i : {1, 2}) {
    const auto [s, e] = external(i, "10.180.0.1");
    put(model, s);
    put(model, e);
  }
  NftSync sync(Family::ipv4);
  Kernel kernel;
  kernel.apply(sync.full(model, options(), true, {}));
  const std::string frontend = "service-frontends 1.2.3.4 . tcp . 80",
                    hairpin = "hairpin-endpoints 10.180.0.1 . 10.180.0.1";
  const std::string owner = kernel.value(frontend);
  CHECK_FALSE(owner.empty());
  const auto id = [](int i) {
    const NftServiceId words = nft_service_id("ns/svc" + std::to_string(i) + ":p80", Protocol::tcp);
    char text[32];
    std::snprintf(text, sizeof text, "0x%08x . 0x%08x", words[0], words[1]);
    return std::string(text);
  };
  const int first = owner.find(id(1)) != std::string::npos ? 1 : 2, second = 3 - first;
  (void)model.take_dirty();
  model.apply_service("ns/svc" + std::to_string(first), nullptr);
  kernel.apply(sync.partial(model, options(), model.take_dirty()));
  CHECK(kernel.value(frontend).find(id(second)) != std::string::npos);
  CHECK(kernel.has(hairpin));
  model.apply_service("ns/svc" + std::to_string(second), nullptr);
  kernel.apply(sync.partial(model, options(), model.take_dirty()));
  CHECK_FALSE(kernel.has(frontend));
  CHECK_FALSE(kernel.has(hairpin));
  CHECK(sync.counts().elements == 0);
}

TEST_CASE("an address that moves to another Service in one step is replaced in one transaction") {
  Model model;
  put(model, numbered(1));
  put(model, numbered_slice(1, {endpoint("10.180.0.1")}));
  NftSync sync(Family::ipv4);
  Kernel kernel;
  kernel.apply(sync.full(model, options(), true, {}));
  (void)model.take_dirty();
  model.apply_service("ns/svc1", nullptr);
  kube::Service heir = numbered(2);
  heir.spec.cluster_ip = "172.30.0.1";
  heir.spec.cluster_ips = {"172.30.0.1"};
  put(model, heir);
  put(model, numbered_slice(2, {endpoint("10.180.0.2")}));
  const NftBatch batch = sync.partial(model, options(), model.take_dirty());
  const Lines lines = describe_batch(batch);
  CHECK(count(lines, "element cluster-ips") == 0);  // stays as it is
  CHECK(count(lines, "delete element service-frontends 172.30.0.1 . tcp . 80") == 1);
  CHECK(count(lines, "add element service-frontends 172.30.0.1 . tcp . 80") == 1);
  kernel.apply(batch);
}

TEST_CASE("a change of the node port addresses is a change of elements") {
  Model model;
  NftSync sync(Family::ipv4);
  CompileOptions o = options();
  o.node_port_ips = {{*IpAddress::parse("192.168.0.1")}};
  Kernel kernel;
  kernel.apply(sync.full(model, o, true, {}));
  CHECK(kernel.has("nodeport-ips 192.168.0.1"));
  o.node_port_ips = {{*IpAddress::parse("192.168.0.2")}};
  kernel.apply(sync.partial(model, o, {}));
  CHECK_FALSE(kernel.has("nodeport-ips 192.168.0.1"));
  CHECK(kernel.has("nodeport-ips 192.168.0.2"));
}

TEST_CASE("each prefix length of source ranges has one rule") {
  Model model;
  NftSync sync(Family::ipv4);
  (void)sync.full(model, options(), true, {});
  const auto guarded = [&](int i, std::vector<std::string> ranges) {
    kube::Service s = numbered(i);
    s.spec.type = "LoadBalancer";
    s.status.load_balancer.ingress = {{"5.6.7." + std::to_string(i), "", {}}};
    s.spec.load_balancer_source_ranges = std::move(ranges);
    put(model, s);
    return count(describe_batch(sync.partial(model, options(), model.take_dirty())),
                 "add rule to firewall-allow-check");
  };
  CHECK(guarded(1, {"203.0.113.0/24", "198.51.100.0/24", "10.0.0.0/8"}) == 2);
  CHECK(guarded(2, {"203.0.112.0/24"}) == 0);
  CHECK(guarded(3, {"192.0.2.1/32"}) == 1);
}

TEST_CASE("a refused message is named, and of elements the one to blame") {
  Model model;
  for (int i = 1; i < 4; ++i) put(model, numbered(i));
  NftSync sync(Family::ipv4);
  const NftBatch batch = sync.full(model, options(), true, {});
  CHECK(describe_message(batch, 2, 0) == "delete table kube-proxy");
  // The offset of the key's attribute in the message of cluster-ips, as the kernel tells it.
  std::string_view rest = batch.bytes;
  for (std::uint32_t number = 1;; ++number) {
    std::uint32_t length = 0;
    std::copy_n(rest.data(), sizeof length, reinterpret_cast<char*>(&length));
    const std::string whole(rest.substr(0, length));
    const std::string key("\xac\x1e\x00\x02", 4);
    if (whole.find("cluster-ips") != std::string::npos && whole.find(key) != std::string::npos) {
      const auto offset = static_cast<std::uint32_t>(whole.find(key) - 8);
      CHECK(describe_message(batch, number, offset) == "add element cluster-ips 172.30.0.2");
      break;
    }
    REQUIRE(rest.size() > length);
    rest.remove_prefix((length + 3) & ~3u);
  }
  CHECK(describe_message(batch, 100000, 0) == "transaction");
}

TEST_CASE("chains of ours are known by name") {
  CHECK(is_nft_chain("services"));
  CHECK(is_nft_chain("nat-prerouting"));
  CHECK(is_nft_chain("internal-12"));
  CHECK(is_nft_chain("external-local-5-2-sticky-10800"));
  CHECK_FALSE(is_nft_chain("service-ULMVA6XW-ns1/svc1/tcp/p80"));
  CHECK_FALSE(is_nft_chain("external-ULMVA6XW-ns1/svc1/tcp/p80"));
  CHECK_FALSE(is_nft_chain("nodeport-ips"));
  CHECK(nft_kernel_suffices("5.13.0-arch"));
  CHECK(nft_kernel_suffices("6.1.0"));
  CHECK_FALSE(nft_kernel_suffices("5.10.0-8-amd64"));
  CHECK_FALSE(nft_kernel_suffices("linux"));
}

namespace {

class FakeNft final : public NftKernel {
 public:
  explicit FakeNft(const Executor& executor) : touched(executor) {}
  Result<void> probe(Family) override { return {}; }
  Awaitable<Result<void>> commit(NftBatch batch) override {
    batches.push_back(describe_batch(batch));
    if (failures > 0) {
      --failures;
      co_return make_error(Errc::io, "nf_tables: add element cluster-ips 172.30.0.1: No such file or directory");
    }
    table.exists = count(batches.back(), "delete table") == 0 || batches.back().size() > 1;
    if (batches.back().size() > 1 && batches.back()[0] == "add table kube-proxy")
      table.user_data = NftSync::table_mark();
    co_return Result<void>();
  }
  Result<NftTable> look(Family) override { return table; }
  Result<std::uint64_t> foreign_changes() override { return foreign; }
  Awaitable<Result<NftForeignChanges>> next_foreign_change() override {
    while (!told.any()) co_await touched.wait();
    const NftForeignChanges changes = std::exchange(told, {});
    co_return changes;
  }

  std::vector<Lines> batches;
  NftTable table;
  std::uint64_t foreign = 0;
  int failures = 0;
  NftForeignChanges told;
  Notifier touched;
};

class NoIptables final : public IptablesRunner {
 public:
  Awaitable<Result<IptablesInfo>> probe(Family) override { co_return IptablesInfo{}; }
  Awaitable<Result<std::string>> save(Family) override { co_return saved; }
  Awaitable<Result<void>> restore(Family, std::string input) override {
    inputs.push_back(std::move(input));
    co_return Result<void>();
  }
  Result<bool> canaries_present(Family) override { return true; }
  std::string saved;
  std::vector<std::string> inputs;
};

class NoConntrack final : public ConntrackCleaner {
 public:
  Awaitable<Result<std::size_t>> remove_stale(Family, StaleFlows) override { co_return std::size_t{0}; }
};

struct Bench {
  explicit Bench(ProxyMode mode = ProxyMode::nftables) {
    ProxyConfig config;
    config.mode = mode;
    config.cluster_cidrs = {"10.0.0.0/8"};
    config.tune_sysctls = false;
    config.min_sync_period = config.nftables.min_sync_period = Milliseconds(0);
    proxier =
        std::make_unique<Proxier>(loop.get_executor(), config, kNode, std::vector{*IpAddress::parse("192.168.0.1")},
                                  clock, iptables, conntrack, &nft);
  }
  ~Bench() {
    tasks.cancel();
    turn();
  }
  void start() {
    tasks.spawn("proxier", proxier->run());
    proxier->set_service(numbered(1));
    proxier->services_synced();
    proxier->slices_synced();
    turn();
  }
  void turn() {
    loop.restart();
    while (loop.poll() > 0) {
    }
  }
  void pass(Nanoseconds by) {
    clock.advance(by);
    proxier->services_synced();
    turn();
  }
  asio::io_context loop;
  ManualClock clock{SystemTime(std::chrono::hours(500000))};
  NoIptables iptables;
  NoConntrack conntrack;
  FakeNft nft{loop.get_executor()};
  std::unique_ptr<Proxier> proxier;
  TaskGroup tasks{loop.get_executor()};
};

}  // namespace

TEST_CASE("in mode nftables upstream's table is replaced, and iptables rules go after the first sync") {
  Bench b;
  b.nft.table = {true, "comment", {"services", "service-ULMVA6XW-ns1/svc1/tcp/p80"}, 1};
  b.iptables.saved = "*nat\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\nCOMMIT\n";
  b.start();
  REQUIRE(b.nft.batches.size() == 1);
  CHECK(count(b.nft.batches[0], "delete table") == 1);
  CHECK(count(b.nft.batches[0], "add element nodeport-ips 192.168.0.1") == 1);  // "primary" without nodePortAddresses
  REQUIRE(b.iptables.inputs.size() == 1);
  CHECK(b.iptables.inputs[0].find("-D PREROUTING -j KUBE-SERVICES") != std::string::npos);
  const ProxierStatus status = b.proxier->status();
  CHECK(status.families.at(0).backend == "nftables");
  CHECK(status.families.at(0).rules.elements == 3);  // rejected, guarded, a node port address
}

TEST_CASE("in mode iptables a table kube-proxy of nftables goes after the first sync") {
  Bench b(ProxyMode::iptables);
  b.nft.table.exists = true;
  b.start();
  REQUIRE(b.nft.batches.size() == 1);
  CHECK(b.nft.batches[0] == Lines{"delete table kube-proxy"});
  CHECK(b.iptables.inputs.size() == 1);
}

TEST_CASE("what others change in the table is written again at once, and then at a pace") {
  Bench b;
  b.start();
  REQUIRE(b.nft.batches.size() == 1);
  const auto touch = [&b](NftForeignChanges changes) {
    b.nft.told = changes;
    b.nft.touched.notify();
    b.turn();
  };
  touch({{false, true}, false});  // of the other family's table
  CHECK(b.nft.batches.size() == 1);
  touch({{true, false}, false});
  REQUIRE(b.nft.batches.size() == 2);
  CHECK(count(b.nft.batches[1], "add set") == kNftSets);
  touch({{true, false}, false});
  CHECK(b.nft.batches.size() == 2);
  b.pass(Seconds(6));
  CHECK(b.nft.batches.size() == 3);
  b.pass(Seconds(6));
  CHECK(b.nft.batches.size() == 3);
  b.nft.foreign = 1;
  b.nft.table.fingerprint = 2;
  touch({{false, false}, true});  // it is not known what was changed
  CHECK(b.nft.batches.size() == 4);
}

TEST_CASE("a refused partial transaction is followed by a full one; a table in disorder is made anew") {
  Bench b;
  b.start();
  b.nft.failures = 1;
  b.proxier->set_service(numbered(2));
  b.turn();
  REQUIRE(b.nft.batches.size() == 3);
  CHECK(count(b.nft.batches[1], "add set") == 0);
  CHECK(count(b.nft.batches[2], "add set") == kNftSets);
  CHECK(count(b.nft.batches[2], "delete table") == 0);
  CHECK(b.proxier->status().families[0].failures == 1);
  b.nft.failures = 2;
  b.proxier->set_service(numbered(3));
  b.turn();
  REQUIRE(b.nft.batches.size() == 6);
  CHECK(count(b.nft.batches[4], "delete table") == 0);
  CHECK(count(b.nft.batches[5], "delete table") == 1);
  CHECK(b.proxier->status().families[0].last_error.empty());
}

TEST_CASE("others' changes are harmless until the table is another one") {
  Bench b;
  b.start();
  b.nft.foreign = 1;
  b.pass(std::chrono::seconds(31));
  CHECK(b.nft.batches.size() == 1);
  b.nft.foreign = 2;
  b.nft.table.fingerprint = 77;
  b.pass(std::chrono::seconds(31));
  REQUIRE(b.nft.batches.size() == 2);
  CHECK(count(b.nft.batches[1], "add set") == kNftSets);
  b.pass(std::chrono::seconds(31));
  CHECK(b.nft.batches.size() == 2);
}

}  // namespace keelson::proxy
