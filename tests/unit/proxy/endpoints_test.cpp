#include <catch2/catch.hpp>

#include "proxy/endpoints.hpp"
#include "tests/unit/proxy/builders.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

constexpr PortPolicy kCluster{false, false, false};
constexpr PortPolicy kInternalLocal{true, false, false};
constexpr PortPolicy kExternalLocal{false, true, true};

Endpoint make(const char* ip, std::uint8_t flags, NameId zones = 0) {
  return {*IpAddress::parse(ip), 80, flags, zones};
}

std::string text(const std::vector<Endpoint>& list) {
  std::string out;
  for (const Endpoint& e : list) out += e.ip.to_string().substr(7) + ' ';
  return out;
}

struct Case {
  const char* name;
  PortPolicy policy;
  std::vector<Endpoint> all;
  const char *cluster, *local, *reachable;
  bool any;
};

}  // namespace

TEST_CASE("endpoints are chosen by readiness, policy and hints") {
  NamePool names;
  const NameId here = names.intern(",za,"), there = names.intern(",zb,"), both = names.intern(",zb,za,");
  constexpr std::uint8_t ready = kReady | kServing, draining = kServing | kTerminating, dead = kTerminating;
  const Case cases[] = {
      {"ready only", kCluster, {make("10.0.0.1", ready), make("10.0.0.2", 0)}, "1 ", "", "1 ", true},
      {"fallback to draining", kCluster, {make("10.0.0.1", draining), make("10.0.0.2", dead)}, "1 ", "", "1 ", true},
      {"draining not while one is ready",
       kCluster,
       {make("10.0.0.1", draining), make("10.0.0.2", ready)},
       "2 ",
       "",
       "2 ",
       true},
      {"nothing", kCluster, {make("10.0.0.1", dead)}, "", "", "", false},
      {"internal Local",
       kInternalLocal,
       {make("10.0.0.1", ready), make("10.0.0.2", ready | kLocal)},
       "",
       "2 ",
       "2 ",
       true},
      {"internal Local, none here", kInternalLocal, {make("10.0.0.1", ready)}, "", "", "", true},
      {"external Local",
       kExternalLocal,
       {make("10.0.0.1", ready), make("10.0.0.2", ready | kLocal)},
       "1 2 ",
       "2 ",
       "1 2 ",
       true},
      {"external Local drains here",
       kExternalLocal,
       {make("10.0.0.1", ready), make("10.0.0.2", draining | kLocal)},
       "1 ",
       "2 ",
       "1 2 ",
       true},
      {"zone hints",
       kCluster,
       {make("10.0.0.1", ready, here), make("10.0.0.2", ready, there), make("10.0.0.3", ready, both)},
       "1 3 ",
       "",
       "1 3 ",
       true},
      {"one lacks a hint",
       kCluster,
       {make("10.0.0.1", ready, here), make("10.0.0.2", ready)},
       "1 2 ",
       "",
       "1 2 ",
       true},
      {"hints name other zones", kCluster, {make("10.0.0.1", ready, there)}, "1 ", "", "1 ", true},
      {"node hints before zone hints",
       kCluster,
       {make("10.0.0.1", ready | kHasNodeHints | kHintedToNode, there), make("10.0.0.2", ready | kHasNodeHints, here)},
       "1 ",
       "",
       "1 ",
       true},
      {"hints do not bind Local",
       kExternalLocal,
       {make("10.0.0.1", ready, here), make("10.0.0.2", ready | kLocal, there)},
       "1 ",
       "2 ",
       "1 2 ",
       true},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const EndpointChoice choice = choose_endpoints(c.all, c.policy, names, "za");
    CHECK(text(choice.cluster) == c.cluster);
    CHECK(text(choice.local) == c.local);
    CHECK(text(choice.reachable) == c.reachable);
    CHECK(choice.has_any == c.any);
  }
}

TEST_CASE("endpoints of several slices are merged, sorted as text, and local duplicates win") {
  Model model;
  put(model, slice("ns", "s", {endpoint("10.0.0.9"), endpoint("10.0.0.10")}, {slice_port("p", 80)}, "a"));
  put(model, slice("ns", "s", {endpoint("10.0.0.9", kNode)}, {slice_port("p", 80)}, "b"));
  put(model, slice("ns", "s", {endpoint("10.0.0.9")}, {slice_port("p", 81), slice_port("other", 1)}, "c"));
  const auto all = gather_endpoints(*model.find("ns/s"), model.names().intern("p"), Protocol::tcp, Family::ipv4);
  REQUIRE(all.size() == 3);
  CHECK(all[0].ip.with_port(all[0].port) == "10.0.0.10:80");
  CHECK(all[1].ip.with_port(all[1].port) == "10.0.0.9:80");
  CHECK((all[1].flags & kLocal) != 0);
  CHECK(all[2].ip.with_port(all[2].port) == "10.0.0.9:81");
}

TEST_CASE("the model tracks what changed, also when a slice changes its Service") {
  Model model;
  using Keys = std::vector<std::string>;
  put(model, service("ns", "a", "172.30.0.1", {port("p", 80)}));
  put(model, slice("ns", "a", {endpoint("10.0.0.1"), endpoint("10.0.0.2")}, {slice_port("p", 80)}));
  CHECK(model.take_dirty() == Keys{"ns/a"});
  CHECK(model.take_dirty().empty());
  CHECK(model.endpoint_count(Family::ipv4) == 2);
  kube::EndpointSlice moved = slice("ns", "a", {endpoint("10.0.0.1")}, {slice_port("p", 80)});
  moved.metadata.labels[kube::EndpointSlice::kServiceNameLabel] = "b";
  put(model, moved);
  CHECK(model.take_dirty() == Keys{"ns/a", "ns/b"});
  CHECK(model.endpoint_count(Family::ipv4) == 1);
  CHECK(model.find("ns/a")->slices.empty());
  model.remove_endpoint_slice("ns/a-x");
  CHECK(model.take_dirty() == Keys{"ns/b"});
  CHECK(model.find("ns/b") == nullptr);
  model.apply_service("ns/a", nullptr);
  model.apply_service("ns/never", nullptr);
  CHECK(model.take_dirty() == Keys{"ns/a"});
  CHECK(model.services().empty());
  CHECK(model.endpoint_count(Family::ipv4) == 0);
}

}  // namespace keelson::proxy
