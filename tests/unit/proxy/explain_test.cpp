#include "proxy/explain.hpp"

#include <catch2/catch.hpp>

#include "proxy/health_ports.hpp"
#include "tests/unit/proxy/builders.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

constexpr LeftOut kTakes = LeftOut::no;

kube::Endpoint with(kube::Endpoint e, std::optional<bool> ready, bool serving = false, bool terminating = false) {
  e.conditions.ready = ready;
  e.conditions.serving = serving;
  e.conditions.terminating = terminating;
  return e;
}

kube::Endpoint zoned(kube::Endpoint e, const std::string& zone) {
  e.zone = zone;
  e.hints = kube::EndpointHints{{zone}, {}};
  return e;
}

kube::Service balancer() {
  kube::Service s = service("ns", "lb", "172.30.0.2", {port("", 80, "TCP", 30080)});
  s.spec.type = "LoadBalancer";
  s.spec.external_ips = {"192.0.2.7"};
  s.spec.load_balancer_source_ranges = {"203.0.113.0/24"};
  kube::LoadBalancerIngress ingress;
  ingress.ip = "192.0.2.8";
  s.status.load_balancer.ingress = {ingress};
  return s;
}

std::vector<std::pair<LeftOut, LeftOut>> verdicts(const PortFate& port) {
  std::vector<std::pair<LeftOut, LeftOut>> out;
  for (const EndpointFate& e : port.endpoints) out.emplace_back(e.cluster, e.local);
  return out;
}

ServiceFate explain(const Model& model, const std::string& key) { return explain_service(model, key, {options()}); }

}  // namespace

TEST_CASE("every frontend is told with what happens to its packets") {
  Model model;
  put(model, balancer());
  put(model, slice("ns", "lb", {endpoint("10.0.0.1")}, {slice_port("", 8080)}));
  const ServiceFate fate = explain(model, "ns/lb");
  REQUIRE(fate.ports.size() == 1);
  const auto& f = fate.ports[0].frontends;
  REQUIRE(f.size() == 4);
  CHECK(f[0].kind == FrontendKind::cluster_ip);
  CHECK(f[0].masquerade == Masquerade::not_local_pods);
  CHECK(f[1].kind == FrontendKind::node_port);
  CHECK(f[1].port == 30080);
  CHECK(f[1].localhost);
  CHECK(f[1].masquerade == Masquerade::all);
  CHECK(f[2].kind == FrontendKind::external_ip);
  CHECK(f[2].source_ranges.empty());
  CHECK(f[3].kind == FrontendKind::load_balancer_ip);
  CHECK(f[3].addresses.front().to_string() == "192.0.2.8");
  CHECK(f[3].source_ranges.front().to_string() == "203.0.113.0/24");
  for (const FrontendFate& frontend : f) CHECK(frontend.outcome == Outcome::balanced);
}

TEST_CASE("a frontend without endpoints rejects, and drops where policy Local finds them elsewhere only") {
  Model model;
  kube::Service s = balancer();
  s.spec.external_traffic_policy = "Local";
  put(model, s);
  ServiceFate fate = explain(model, "ns/lb");
  CHECK(fate.ports[0].frontends[0].outcome == Outcome::rejected);
  CHECK(fate.ports[0].frontends[1].outcome == Outcome::rejected);
  put(model, slice("ns", "lb", {endpoint("10.0.0.1")}, {slice_port("", 8080)}));
  fate = explain(model, "ns/lb");
  const PortFate& port = fate.ports[0];
  CHECK(port.frontends[0].outcome == Outcome::balanced);
  CHECK(port.frontends[1].outcome == Outcome::dropped);
  CHECK(port.frontends[1].masquerade == Masquerade::node_itself);
  CHECK(port.uses_cluster);
  CHECK(port.uses_local);
  CHECK(verdicts(port) == std::vector<std::pair<LeftOut, LeftOut>>{{kTakes, LeftOut::other_node}});
  CHECK(model.names().text(port.endpoints[0].endpoint.node) == "node-b");
}

TEST_CASE("each endpoint that takes no packets has a reason") {
  Model model;
  put(model, service("ns", "web", "172.30.0.1", {port("", 80)}));
  put(model, slice("ns", "web",
                   {endpoint("10.0.0.1", kNode), with(endpoint("10.0.0.2", kNode), false),
                    with(endpoint("10.0.0.3"), false, true, true), with(endpoint("10.0.0.4"), false, false, true)},
                   {slice_port("", 8080)}));
  CHECK(verdicts(explain(model, "ns/web").ports[0]) ==
        std::vector<std::pair<LeftOut, LeftOut>>{{kTakes, kTakes},
                                                 {LeftOut::not_ready, LeftOut::not_ready},
                                                 {LeftOut::draining, LeftOut::other_node},
                                                 {LeftOut::terminating, LeftOut::other_node}});

  SECTION("nothing is ready: what drains takes them") {
    put(model, slice("ns", "web", {with(endpoint("10.0.0.3"), false, true, true)}, {slice_port("", 8080)}));
    CHECK(verdicts(explain(model, "ns/web").ports[0]).front().first == kTakes);
  }
  SECTION("another zone is preferred") {
    model.set_zone("za");
    put(model, slice("ns", "web", {zoned(endpoint("10.0.0.1"), "za"), zoned(endpoint("10.0.0.2"), "zb")},
                     {slice_port("", 8080)}));
    const PortFate port = explain(model, "ns/web").ports[0];
    CHECK(port.endpoints[0].cluster == kTakes);
    CHECK(port.endpoints[1].cluster == LeftOut::other_zone);
    CHECK(model.names().text(port.endpoints[1].endpoint.zone) == "zb");
  }
}

TEST_CASE("a port whose name no slice has is told with the names that there are") {
  Model model;
  put(model, service("ns", "web", "172.30.0.1", {port("http", 80)}));
  put(model, slice("ns", "web", {endpoint("10.0.0.1")}, {slice_port("web", 8080)}));
  const PortFate port = explain(model, "ns/web").ports[0];
  CHECK(port.endpoints.empty());
  REQUIRE(port.other_ports.size() == 1);
  CHECK(model.names().text(port.other_ports[0].name) == "web");
  CHECK(port.frontends[0].outcome == Outcome::rejected);
}

TEST_CASE("what has no rules is told as that, and names are found in every namespace") {
  Model model;
  kube::Service headless = service("ns", "none", "None", {port("", 80)});
  put(model, headless);
  put(model, slice("ns", "none", {endpoint("10.0.0.1")}, {slice_port("", 8080)}));
  put(model, service("a", "web", "172.30.0.1", {port("", 80)}));
  put(model, service("b", "web", "172.30.0.2", {port("", 80)}));
  CHECK_FALSE(explain(model, "ns/none").has_rules);
  CHECK(explain(model, "ns/none").slices == 1);
  CHECK_FALSE(explain(model, "ns/nothing").has_rules);
  CHECK(services_named(model, "", "web") == std::vector<std::string>{"a/web", "b/web"});
  CHECK(services_named(model, "b", "web") == std::vector<std::string>{"b/web"});
  CHECK(services_named(model, "c", "web").empty());
}

TEST_CASE("health check ports come and go with their Services, and count ready local pods once") {
  Model model;
  kube::Service s = balancer();
  s.spec.external_traffic_policy = "Local";
  s.spec.health_check_node_port = 31000;
  put(model, s);
  HealthPorts ports;
  CHECK(update_health_ports(model, {"ns/lb"}, ports));
  CHECK(ports.at("ns/lb") == HealthPort{31000, 0});
  put(model, slice("ns", "lb",
                   {endpoint("10.0.0.1", kNode), endpoint("10.0.0.2", kNode), endpoint("10.0.0.3"),
                    with(endpoint("10.0.0.4", kNode), false), with(endpoint("10.0.0.5", kNode), false, true, true)},
                   {slice_port("", 8080), slice_port("more", 8081)}));
  put(model, slice("ns", "lb", {endpoint("fd00:10::1", kNode)}, {slice_port("", 8080)}, "v6"));
  CHECK(update_health_ports(model, {"ns/lb"}, ports));
  CHECK(ports.at("ns/lb").local_endpoints == 2);
  CHECK_FALSE(update_health_ports(model, {"ns/lb", "ns/other"}, ports));
  s.spec.external_traffic_policy = "Cluster";
  put(model, s);
  CHECK(update_health_ports(model, {"ns/lb"}, ports));
  CHECK(ports.empty());
}

}  // namespace keelson::proxy
