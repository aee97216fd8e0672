#include <catch2/catch.hpp>

#include "agent/node/lease_keeper.hpp"
#include "fake_cluster.hpp"

using namespace keelson;
using namespace keelson::agent;
using namespace keelson::agent::test;

namespace {

using Texts = std::vector<std::string>;
const char* const kGet = "GET /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1";
const char* const kPut = "PUT /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1";
const char* const kPost = "POST /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

LeaseOptions options() {
  LeaseOptions options;
  options.node = "n1";
  options.interval = Milliseconds(100);
  options.first_retry = Milliseconds(10);
  return options;
}

struct World {
  World() : keeper(loop.io.get_executor(), api, system_clock(), options(), [this] { return uid; }) {}
  ~World() { loop.stop(); }
  void start() { loop.tasks.spawn("lease", keeper.run()); }

  Loop loop;
  FakeCluster api;
  std::string uid = "u";
  LeaseKeeper keeper;
};

}  // namespace

TEST_CASE("a lease says who, for how long, and whose it is") {
  const auto now = SystemTime(Seconds(1767225600));
  const auto lease = renewed_lease(std::nullopt, options(), "u", now);
  CHECK(lease.metadata.ns == "kube-node-lease");
  CHECK(lease.spec.holder_identity == "n1");
  CHECK(lease.spec.lease_duration_seconds == 40);
  CHECK(lease.spec.renew_time == now);
  REQUIRE(lease.metadata.owner_references.size() == 1);
  CHECK(lease.metadata.owner_references[0] == kube::OwnerReference{"v1", "Node", "n1", "u", {}, {}});
  auto base = lease;
  base.metadata.resource_version = "9";
  base.spec.lease_transitions = 3;
  const auto next = renewed_lease(base, options(), "other", now + Seconds(10));
  CHECK(next.metadata.resource_version == "9");
  CHECK(next.spec.lease_transitions == 3);
  CHECK(next.metadata.owner_references[0].uid == "u");
}

TEST_CASE("a lease is made once and renewed after that") {
  World w;
  w.start();
  REQUIRE(w.loop.until([&] { return w.api.requests.size() >= 4; }));
  const auto asked = w.api.take();
  CHECK(Texts(asked.begin(), asked.begin() + 4) == Texts{kGet, kPost, kPut, kPut});
  CHECK(w.keeper.renewed().has_value());
}

TEST_CASE("no lease is made for a node that is not there yet") {
  World w;
  w.uid.clear();
  w.start();
  w.loop.turn(Milliseconds(30));
  CHECK(w.api.take() == Texts{kGet});
  w.uid = "u";
  w.keeper.node_changed();
  REQUIRE(w.loop.until([&] { return w.api.lease.has_value(); }, Milliseconds(60)));
  CHECK((*w.api.lease)["metadata"]["ownerReferences"][0]["uid"] == "u");
}

TEST_CASE("a conflict is looked at again, a lease that was deleted is made again") {
  World w;
  w.start();
  REQUIRE(w.loop.until([&] { return w.keeper.renewed().has_value(); }));
  w.api.take();
  (*w.api.lease)["metadata"]["resourceVersion"] = w.api.next_version();
  REQUIRE(w.loop.until([&] { return w.api.requests.size() >= 3; }));
  w.loop.turn(Milliseconds(10));
  CHECK(w.api.take() == Texts{kPut, kGet, kPut});
  w.api.lease.reset();
  REQUIRE(w.loop.until([&] { return w.api.lease.has_value(); }));
  w.loop.turn(Milliseconds(10));
  CHECK(w.api.take() == Texts{kPut, kGet, kPost});
}

TEST_CASE("failures are tried again sooner than the interval") {
  World w;
  w.start();
  REQUIRE(w.loop.until([&] { return w.keeper.renewed().has_value(); }));
  const auto before = *w.keeper.renewed();
  w.api.errors.assign(3, make_error(Errc::unavailable, "down"));
  REQUIRE(w.loop.until([&] { return *w.keeper.renewed() > before; }, Milliseconds(1000)));
  CHECK(w.api.errors.empty());
}
