// Objects that people see are the model's: read again they give the same model.
#include "proxy/describe.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/proxy/builders.hpp"

namespace keelson::proxy {
using namespace test;

TEST_CASE("what decides rules comes back from the model") {
  kube::Service s = service("ns", "web", "172.30.0.2", {port("http", 80, "TCP", 30080), port("dns", 53, "UDP")});
  s.spec.type = "LoadBalancer";
  s.metadata.creation_timestamp = kube::Time(std::chrono::seconds(1'800'000'000));
  s.spec.cluster_ips = {"172.30.0.2", "fd00::2"};
  s.spec.external_ips = {"1.2.3.4"};
  s.spec.load_balancer_source_ranges = {"203.0.113.0/24"};
  s.spec.external_traffic_policy = "Local";
  s.spec.internal_traffic_policy = "Local";
  s.spec.health_check_node_port = 30999;
  s.spec.session_affinity = "ClientIP";
  s.spec.session_affinity_config.emplace().client_ip.emplace().timeout_seconds = 60;
  s.status.load_balancer.ingress = {{"5.6.7.8", "", {}}};
  kube::Endpoint one = endpoint("10.180.0.1", kNode), two = endpoint("10.180.0.2");
  one.hints.emplace().for_nodes = {kNode};
  one.hints->for_zones = {"a", "b"};
  two.conditions = {false, true, true};
  Model model;
  put(model, s);
  put(model, service("ns", "api", "172.30.0.3", {port("", 443)}));
  put(model, slice("ns", "web", {one, two}, {slice_port("http", 8080), slice_port("dns", 5353, "UDP")}));

  const auto services = describe_services(model);
  REQUIRE(services.size() == 2);
  CHECK(services[0]->metadata.name == "api");
  CHECK(services[0]->spec.type == "ClusterIP");
  const kube::Service& web = *services[1];
  CHECK(web.metadata.ns == "ns");
  CHECK(web.spec.type == "LoadBalancer");
  CHECK(web.spec.cluster_ips == s.spec.cluster_ips);
  CHECK(web.spec.ip_families == std::vector<std::string>{"IPv4", "IPv6"});
  CHECK(web.spec.ports == s.spec.ports);
  CHECK(web.spec.external_ips == s.spec.external_ips);
  CHECK(web.spec.load_balancer_source_ranges == s.spec.load_balancer_source_ranges);
  CHECK(web.spec.external_traffic_policy == "Local");
  CHECK(web.spec.internal_traffic_policy == "Local");
  CHECK(web.spec.health_check_node_port == 30999);
  CHECK(web.spec.session_affinity_config == s.spec.session_affinity_config);
  CHECK(web.status.load_balancer.ingress.at(0).ip == "5.6.7.8");

  CHECK(web.metadata.creation_timestamp == s.metadata.creation_timestamp);
  CHECK_FALSE(services[0]->metadata.creation_timestamp);

  const auto slices = describe_slices(model, kNode);
  REQUIRE(slices.size() == 1);
  const kube::EndpointSlice& made = *slices[0];
  CHECK(kube::object_key(made.metadata) == "ns/web-x");
  CHECK(made.metadata.labels.at(kube::EndpointSlice::kServiceNameLabel) == "web");
  CHECK(made.address_type == "IPv4");
  REQUIRE(made.endpoints.size() == 2);
  CHECK(made.endpoints[0].node_name == kNode);
  CHECK(made.endpoints[0].hints == one.hints);
  CHECK_FALSE(made.endpoints[1].node_name);
  CHECK(made.endpoints[1].conditions == two.conditions);
  CHECK(made.ports.at(1).port == 5353);

  Model again;
  put(again, web);
  put(again, made);
  CHECK(rules_of(again, "ns/web", options()) == rules_of(model, "ns/web", options()));
}

TEST_CASE("Services without rules are known by what they are") {
  Model model;
  kube::Service headless = service("ns", "headless", "None", {port("http", 80)});
  headless.metadata.creation_timestamp = kube::Time(std::chrono::seconds(1'800'000'000));
  kube::Service external = service("ns", "external", "", {});
  external.spec.type = "ExternalName";
  external.spec.external_name = "example.org";
  kube::Service other = service("ns", "other", "172.30.0.9", {port("", 80)});
  other.metadata.labels["service.kubernetes.io/service-proxy-name"] = "mesh";
  for (const auto& s : {headless, external, other}) put(model, s);

  const auto services = describe_services(model);
  REQUIRE(services.size() == 3);
  CHECK(services[0]->spec.type == "ExternalName");
  CHECK(services[0]->spec.external_name == "example.org");
  CHECK(services[1]->spec.cluster_ip == "None");
  CHECK(services[1]->spec.ports == headless.spec.ports);
  CHECK(services[1]->metadata.creation_timestamp == headless.metadata.creation_timestamp);
  CHECK(services[2]->spec.cluster_ip == "172.30.0.9");
  using Why = RulelessService::Why;
  CHECK(model.ruleless().at("ns/headless")->why == Why::headless);
  CHECK(model.ruleless().at("ns/external")->text == "example.org");
  CHECK(model.ruleless().at("ns/other")->why == Why::other_proxy);
  CHECK(model.ruleless().at("ns/other")->text == "service.kubernetes.io/service-proxy-name=mesh");
  CHECK(model.services().empty());
  CHECK_FALSE(model.has_dirty());

  SECTION("until they have rules, or are gone") {
    put(model, service("ns", "headless", "172.30.0.8", {port("http", 80)}));
    model.apply_service("ns/external", nullptr);
    CHECK(model.ruleless().size() == 1);
    CHECK(describe_services(model).size() == 2);
    CHECK(model.take_dirty() == std::vector<std::string>{"ns/headless"});
    put(model, headless);
    CHECK(model.take_dirty() == std::vector<std::string>{"ns/headless"});
    CHECK(model.services().empty());
  }
}

}  // namespace keelson::proxy
