// Which flows are stale, and when the table is looked at.
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "base/task_group.hpp"
#include "proxy/conntrack_reconciler.hpp"
#include "tests/unit/proxy/builders.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

FlowTarget target(const char* ip, std::uint16_t port) { return {*IpAddress::parse(ip), port}; }

Flow flow(const FlowTarget& to, const FlowTarget& from, Protocol protocol = Protocol::udp) {
  return {protocol, to, from};
}

kube::Service dns() {
  return service("ns", "dns", "172.30.0.2", {port("dns", 53, "UDP", 30053), port("sig", 7, "SCTP"), port("web", 80)});
}

kube::EndpointSlice dns_slice(std::vector<kube::Endpoint> endpoints) {
  return slice("ns", "dns", std::move(endpoints),
               {slice_port("dns", 5353, "UDP"), slice_port("sig", 99, "SCTP"), slice_port("web", 8080)});
}

kube::Endpoint with(const char* ip, bool ready, bool serving, bool terminating = false) {
  kube::Endpoint e = endpoint(ip);
  e.conditions = {ready, serving, terminating};
  return e;
}

// The changes of one family between two states of the model.
struct Tracked {
  StaleFlows update(const std::vector<std::string>& keys) {
    StaleFlows stale;
    tracker.update(model, Family::ipv4, keys, stale);
    stale.set_node_ips({*IpAddress::parse("192.168.0.1")});
    return stale;
  }
  Model model;
  FlowTracker tracker;
};

const FlowTarget kVip = target("172.30.0.2", 53), kOne = target("10.180.0.1", 5353), kGone = target("10.180.0.9", 5353);

}  // namespace

TEST_CASE("flows to what no longer serves a frontend are stale", "[conntrack]") {
  Tracked t;
  put(t.model, dns());
  put(t.model, dns_slice({endpoint("10.180.0.1")}));
  const StaleFlows stale = t.update({"ns/dns"});
  CHECK_FALSE(stale.is_stale(flow(kVip, kOne)));
  CHECK(stale.is_stale(flow(kVip, kGone)));
  CHECK(stale.is_stale(flow(kVip, kVip)));                           // from before there were rules
  CHECK(stale.is_stale(flow(target("192.168.0.1", 30053), kGone)));  // by its node port
  CHECK_FALSE(stale.is_stale(flow(target("192.168.0.1", 30053), kOne)));
  CHECK(stale.is_stale(flow(target("192.168.0.1", 30053), target("192.168.0.1", 30053))));
  CHECK_FALSE(stale.is_stale(flow(target("8.8.8.8", 30053), target("8.8.8.8", 30053))));  // only passes through
  CHECK_FALSE(stale.is_stale(flow(target("172.30.0.2", 54), kGone)));
  CHECK_FALSE(stale.is_stale(flow(target("10.180.0.9", 5353), kGone)));  // straight to a pod
  // A protocol has frontends of its own; TCP never has any.
  CHECK(stale.is_stale(flow(target("172.30.0.2", 7), target("10.180.0.9", 99), Protocol::sctp)));
  CHECK_FALSE(stale.is_stale(flow(target("172.30.0.2", 7), target("10.180.0.1", 99), Protocol::sctp)));
  CHECK_FALSE(stale.is_stale(flow(target("172.30.0.2", 7), target("10.180.0.9", 99))));
  CHECK_FALSE(stale.is_stale(flow(target("172.30.0.2", 80), target("10.180.0.9", 8080), Protocol::tcp)));
  CHECK(stale.concerns(Protocol::udp));
  CHECK(stale.concerns(Protocol::sctp));
  CHECK_FALSE(stale.concerns(Protocol::tcp));
}

TEST_CASE("flows to endpoints that still serve are kept", "[conntrack]") {
  Tracked t;
  put(t.model, dns());
  SECTION("terminating ones that serve, beside a ready one") {
    put(t.model, dns_slice({with("10.180.0.1", false, true, true), with("10.180.0.2", true, true)}));
    const StaleFlows stale = t.update({"ns/dns"});
    CHECK_FALSE(stale.is_stale(flow(kVip, kOne)));
    CHECK_FALSE(stale.is_stale(flow(kVip, target("10.180.0.2", 5353))));
  }
  SECTION("one that is not ready, beside a ready one, is left") {
    put(t.model, dns_slice({with("10.180.0.1", false, false), with("10.180.0.2", true, true)}));
    CHECK(t.update({"ns/dns"}).is_stale(flow(kVip, kOne)));
  }
  SECTION("the only one there is, though it is not ready") {
    put(t.model, dns_slice({with("10.180.0.1", false, false)}));
    const StaleFlows stale = t.update({"ns/dns"});
    CHECK_FALSE(stale.is_stale(flow(kVip, kOne)));
    CHECK(stale.is_stale(flow(kVip, kGone)));
  }
  SECTION("of none at all only what was translated is stale") {
    const StaleFlows stale = t.update({"ns/dns"});
    CHECK(stale.is_stale(flow(kVip, kOne)));
    CHECK_FALSE(stale.is_stale(flow(kVip, kVip)));
  }
}

TEST_CASE("frontends that went are retired, and those that moved are not", "[conntrack]") {
  Tracked t;
  put(t.model, dns());
  put(t.model, dns_slice({endpoint("10.180.0.1")}));
  CHECK_FALSE(t.update({"ns/dns"}).empty());
  CHECK(t.update({"ns/dns"}).empty());  // nothing changed
  SECTION("the port") {
    kube::Service moved = dns();
    moved.spec.ports[0].port = 54;
    put(t.model, moved);
    const StaleFlows stale = t.update({"ns/dns"});
    CHECK(stale.is_stale(flow(kVip, kOne)));
    CHECK_FALSE(stale.is_stale(flow(kVip, kVip)));  // that was never ours
    CHECK_FALSE(stale.is_stale(flow(target("172.30.0.2", 54), kOne)));
  }
  SECTION("the Service") {
    t.model.apply_service("ns/dns", nullptr);
    const StaleFlows stale = t.update({"ns/dns"});
    CHECK(stale.is_stale(flow(kVip, kOne)));
    CHECK(stale.is_stale(flow(target("192.168.0.1", 30053), kOne)));
  }
  SECTION("to another Service, whatever the order") {
    t.model.apply_service("ns/dns", nullptr);
    put(t.model, service("ns", "a", "172.30.0.2", {port("dns", 53, "UDP")}));
    put(t.model, slice("ns", "a", {endpoint("10.180.0.9")}, {slice_port("dns", 5353, "UDP")}));
    const StaleFlows stale = t.update({"ns/a", "ns/dns"});
    CHECK(stale.is_stale(flow(kVip, kOne)));
    CHECK_FALSE(stale.is_stale(flow(kVip, kGone)));
  }
}

namespace {

class FakeCleaner final : public ConntrackCleaner {
 public:
  Awaitable<Result<std::size_t>> remove_stale(Family, StaleFlows stale) override {
    asked.push_back(std::move(stale));
    if (clock != nullptr) clock->advance(takes);
    if (fail) co_return make_error(Errc::unavailable, "cut");
    co_return std::size_t{2};
  }
  std::vector<StaleFlows> asked;
  bool fail = false;
  ManualClock* clock = nullptr;
  Nanoseconds takes{};
};

struct Reconciled {
  Reconciled() {
    tasks.spawn("conntrack", reconciler.run());
    put(model, dns());
    put(model, dns_slice({endpoint("10.180.0.1")}));
  }
  ~Reconciled() {
    tasks.cancel();
    turn();
  }
  void turn() {
    loop.restart();
    while (loop.poll() > 0) {
    }
  }
  void written(const std::vector<std::string>& keys = {"ns/dns"}, bool all = false) {
    reconciler.written(model, Family::ipv4, keys, all, {*IpAddress::parse("192.168.0.1")});
    turn();
  }
  asio::io_context loop;
  ManualClock clock{SystemTime(std::chrono::hours(500000))};
  Model model;
  FakeCleaner cleaner;
  ConntrackReconciler reconciler{loop.get_executor(), clock, cleaner};
  TaskGroup tasks{loop.get_executor()};
};

}  // namespace

TEST_CASE("the table is looked at when a change concerned it, at once and then not too often", "[conntrack]") {
  Reconciled r;
  put(r.model, service("ns", "web", "172.30.0.3", {port("web", 80)}));
  r.written({"ns/web"});
  CHECK(r.cleaner.asked.empty());
  r.cleaner.clock = &r.clock;
  r.cleaner.takes = Milliseconds(50);
  r.written({}, true);
  REQUIRE(r.cleaner.asked.size() == 1);
  CHECK(r.reconciler.status(Family::ipv4).removed == 2);
  CHECK(r.reconciler.status(Family::ipv4).last_duration == Milliseconds(50));
  // The next waits for ten times what the last has cost, and has all that changed since.
  put(r.model, dns_slice({endpoint("10.180.0.2")}));
  r.written();
  put(r.model, dns_slice({endpoint("10.180.0.3")}));
  r.written();
  r.clock.advance(Milliseconds(499));
  r.written({"ns/web"});
  CHECK(r.cleaner.asked.size() == 1);
  r.clock.advance(Milliseconds(1));
  put(r.model, dns_slice({endpoint("10.180.0.4")}));
  r.written();
  REQUIRE(r.cleaner.asked.size() == 2);
  CHECK(r.cleaner.asked[1].is_stale(flow(kVip, target("10.180.0.3", 5353))));
  CHECK_FALSE(r.cleaner.asked[1].is_stale(flow(kVip, target("10.180.0.4", 5353))));
}

TEST_CASE("a look that failed is repeated with what was said since", "[conntrack]") {
  Reconciled r;
  r.cleaner.fail = true;
  r.written();
  REQUIRE(r.cleaner.asked.size() == 1);
  CHECK(r.reconciler.status(Family::ipv4).last_error == "cut");
  kube::Service moved = dns();
  moved.spec.ports[1].port = 8;
  put(r.model, moved);
  put(r.model, dns_slice({endpoint("10.180.0.2")}));
  r.written();
  CHECK(r.cleaner.asked.size() == 1);  // not before its time
  r.cleaner.fail = false;
  r.clock.advance(Seconds(1));
  put(r.model, service("ns", "other", "172.30.0.9", {port("dns", 53, "UDP")}));
  r.written({"ns/other"});
  REQUIRE(r.cleaner.asked.size() == 2);
  const StaleFlows& stale = r.cleaner.asked[1];
  CHECK(stale.is_stale(flow(kVip, kOne)));                                                         // the newer word
  CHECK(stale.is_stale(flow(target("172.30.0.2", 7), target("10.180.0.1", 99), Protocol::sctp)));  // retired since
  CHECK(stale.is_stale(flow(target("192.168.0.1", 30053), target("192.168.0.1", 30053))));         // the node's address
  CHECK(r.reconciler.status(Family::ipv4).failures == 1);
  CHECK(r.reconciler.status(Family::ipv4).last_error.empty());
}

}  // namespace keelson::proxy
