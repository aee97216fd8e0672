// What the agent finds out about its node before it starts: addresses, and what is left for pods.
#include <catch2/catch.hpp>

#include "agent/daemon/facts.hpp"
#include "agent/daemon/node_address.hpp"

using namespace keelson;
using namespace keelson::agent;

TEST_CASE("The node's address: its name, what the name resolves to, the default route, any") {
  struct Case {
    const char* what;
    AddressSources sources;
    std::vector<std::string> ips;
  };
  const std::vector<std::string> local = {"127.0.0.1", "10.0.0.5", "10.0.0.6", "fd00::5", "fe80::1"};
  const Case cases[] = {
      {"the name is an address", {"192.0.2.7", {"10.0.0.5"}, local, {"10.0.0.6"}}, {"192.0.2.7"}},
      {"the resolver before the route", {"n1", {"10.0.0.5"}, local, {"10.0.0.6"}}, {"10.0.0.5"}},
      {"not ours", {"n1", {"10.9.9.9"}, local, {"10.0.0.6"}}, {"10.0.0.6"}},
      {"loopback, as in Debian's hosts file", {"n1", {"127.0.0.1", "127.0.1.1"}, local, {"10.0.0.6"}}, {"10.0.0.6"}},
      {"link-local", {"n1", {"fe80::1"}, local, {"10.0.0.6"}}, {"10.0.0.6"}},
      {"IPv4 first", {"n1", {"fd00::5", "10.0.0.5"}, local, {}}, {"10.0.0.5"}},
      {"IPv6 where there is nothing else", {"n1", {"fd00::5"}, local, {}}, {"fd00::5"}},
      {"the other family's route comes second",
       {"n1", {"10.0.0.5"}, local, {"10.0.0.6", "fd00::5"}},
       {"10.0.0.5", "fd00::5"}},
      {"both routes", {"n1", {}, local, {"10.0.0.6", "fd00::5"}}, {"10.0.0.6", "fd00::5"}},
      {"no route", {"n1", {}, local, {}}, {"10.0.0.5"}},
      {"nothing", {"n1", {}, {"127.0.0.1"}, {}}, {"127.0.0.1"}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    CHECK(choose_node_ips(c.sources) == c.ips);
  }
}

TEST_CASE("What is reserved is not for pods; more than there is stops the start") {
  Options options;
  options.resolv_conf.reset();
  options.root_dir = "/tmp";
  options.node_ips = {"10.0.0.5"};
  options.cluster.eviction_hard = {{"memory.available", "1Mi"}};
  options.cluster.kube_reserved["cpu"] = kube::Quantity::of_milli(100);
  options.cluster.system_reserved["cpu"] = kube::Quantity::of_milli(50);
  options.max_pods = 7;
  const auto facts = make_node_facts(options);
  REQUIRE(facts.has_value());
  CHECK(facts->ips == std::vector<std::string>{"10.0.0.5"});
  CHECK(facts->allocatable.at("cpu") == kube::Quantity::of_milli(facts->cpu_millis - 150));
  CHECK(facts->allocatable.at("memory").value() <= facts->memory_bytes - (1 << 20));
  CHECK(facts->allocatable.at("pods") == kube::Quantity::of(7));
  CHECK(facts->allocatable.at("ephemeral-storage").value() == facts->ephemeral_storage_bytes);

  options.cluster.system_reserved["cpu"] = kube::Quantity::of(100'000);
  const auto refused = make_node_facts(options);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("Resource \"cpu\" has a reservation of 100000100m but capacity of ") !=
        std::string::npos);
  options.cluster.eviction_hard["nodefs.available"] = "much";
  CHECK(make_node_facts(options).error().message.find("evictionHard[nodefs.available]") != std::string::npos);
}
