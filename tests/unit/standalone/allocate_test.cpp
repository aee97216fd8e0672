#include "agent/standalone/allocate.hpp"

#include <catch2/catch.hpp>
#include <set>

namespace keelson::agent::test {
namespace {

constexpr const char* kCidr = "10.96.0.0/16";

std::string service(const std::string& name, const std::string& spec = "", const std::string& port = "") {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {" + spec + (spec.empty() ? "" : ", ") +
         "ports: [{port: 80" + (port.empty() ? "" : ", " + port) + "}]}\n---\n";
}

AllocatedServices allocate(const std::string& yaml, const ServiceTable& table = {}, const std::string& cidr = kCidr) {
  const auto set = load_manifests({{"a.yaml", yaml}});
  for (const auto& p : set.problems) FAIL(p.object << ": " << p.message);
  auto out = allocate_services(set.services, table, cidr);
  if (!out) FAIL(out.error().message);
  return std::move(*out);
}

const kube::ServiceSpec& spec_of(const AllocatedServices& a, const std::string& name) {
  for (const auto& s : a.services) {
    if (s->metadata.name == name) return s->spec;
  }
  FAIL("no Service " << name);
  return a.services.front()->spec;
}

}  // namespace

TEST_CASE("Services get addresses of the range", "[allocate]") {
  const auto a = allocate(service("aa") + service("bb"));
  CHECK(a.problems.empty());
  CHECK(spec_of(a, "aa").cluster_ip == "10.96.0.10");
  CHECK(spec_of(a, "aa").cluster_ips == std::vector<std::string>{"10.96.0.10"});
  CHECK(spec_of(a, "bb").cluster_ip == "10.96.0.11");
  CHECK(spec_of(a, "aa").ports[0].node_port == 0);
  CHECK(a.table.at("default/aa") == ServiceAllocation{{"10.96.0.10"}, {}});
}

TEST_CASE("which Services get what", "[allocate]") {
  struct Row {
    const char* spec;
    bool ip, node_port;
  };
  const auto row = GENERATE(values<Row>({
      {"type: ClusterIP", true, false},
      {"clusterIP: None", false, false},
      {"type: NodePort", true, true},
      {"type: LoadBalancer", true, true},
      {"type: LoadBalancer, allocateLoadBalancerNodePorts: false", true, false},
      {"type: ExternalName, externalName: example.org", false, false},
  }));
  INFO(row.spec);
  const auto a = allocate(service("aa", row.spec));
  const auto& spec = spec_of(a, "aa");
  CHECK((!spec.cluster_ip.empty() && spec.cluster_ip != "None") == row.ip);
  CHECK(spec.cluster_ips.empty() == !row.ip);
  CHECK(spec.ports[0].node_port == (row.node_port ? 30000 : 0));
  CHECK(a.table.count("default/aa") == (row.ip ? 1U : 0U));
}

TEST_CASE("a Service keeps what it has", "[allocate]") {
  const auto first = allocate(service("mm", "type: NodePort"));
  const auto ip = spec_of(first, "mm").cluster_ip;
  REQUIRE(ip == "10.96.0.10");
  SECTION("when others come before it, and over a restart") {
    const auto table = decode_table(encode_table(first.table));
    REQUIRE(table.has_value());
    CHECK(*table == first.table);
    const auto a = allocate(service("aa", "type: NodePort") + service("mm", "type: NodePort"), *table);
    CHECK(spec_of(a, "mm").cluster_ip == ip);
    CHECK(spec_of(a, "mm").ports[0].node_port == 30000);
    CHECK(spec_of(a, "aa").cluster_ip == "10.96.0.11");
    CHECK(spec_of(a, "aa").ports[0].node_port == 30001);
    CHECK(allocate(service("aa", "type: NodePort") + service("mm", "type: NodePort"), a.table).table == a.table);
  }
  SECTION("until somebody asks for it by number") {
    const auto a =
        allocate(service("aa", "type: NodePort, clusterIP: " + ip, "nodePort: 30000") + service("mm", "type: NodePort"),
                 first.table);
    CHECK(a.problems.empty());
    CHECK(spec_of(a, "aa").cluster_ip == ip);
    CHECK(spec_of(a, "aa").ports[0].node_port == 30000);
    CHECK(spec_of(a, "mm").cluster_ip == "10.96.0.11");
    CHECK(spec_of(a, "mm").ports[0].node_port == 30001);
  }
  SECTION("until it leaves, then others may have it") {
    const auto a = allocate(service("zz"), first.table);
    CHECK(spec_of(a, "zz").cluster_ip == ip);
    CHECK(a.table.count("default/mm") == 0);
  }
  SECTION("but not in another range") {
    CHECK(spec_of(allocate(service("mm"), first.table, "10.97.0.0/16"), "mm").cluster_ip == "10.97.0.10");
  }
  SECTION("without node ports it gives them back") {
    const auto a = allocate(service("mm"), first.table);
    CHECK(spec_of(a, "mm").cluster_ip == ip);
    CHECK(a.table.at("default/mm").node_ports.empty());
  }
}

TEST_CASE("the same number twice is a problem of the second", "[allocate]") {
  const auto a = allocate(service("aa", "type: NodePort, clusterIP: 10.96.1.1", "nodePort: 31000") +
                          service("bb", "type: NodePort, clusterIP: 10.96.1.1", "nodePort: 31000"));
  CHECK(spec_of(a, "aa").cluster_ip == "10.96.1.1");
  CHECK(spec_of(a, "aa").ports[0].node_port == 31000);
  CHECK(spec_of(a, "bb").cluster_ip.empty());
  CHECK(spec_of(a, "bb").ports[0].node_port == 0);
  REQUIRE(a.problems.size() == 2);
  CHECK(a.problems[0].object == "Service default/bb");
  CHECK(a.problems[0].message == "spec.clusterIP: 10.96.1.1 is taken by Service default/aa");
  CHECK(a.problems[1].message == "spec.ports: nodePort 31000/TCP is taken by Service default/aa");
  CHECK(allocate(service("aa", "type: NodePort, clusterIP: 10.96.1.1", "nodePort: 31000") +
                     service("bb", "type: NodePort, clusterIP: 10.96.1.1", "nodePort: 31000"),
                 ServiceTable{{"default/bb", {{"10.96.0.50"}, {{"80/TCP", 30500}}}}})
            .problems.size() == 2);  // what it had before does not count against what it asks for
}

TEST_CASE("node ports are apart by protocol, and several of one Service differ", "[allocate]") {
  const auto a = allocate(
      "apiVersion: v1\nkind: Service\nmetadata: {name: dns}\nspec: {type: NodePort, ports: [{name: a, port: 53, "
      "protocol: "
      "UDP}, {name: b, port: 53, protocol: TCP}, {name: c, port: 54}]}\n");
  const auto& ports = spec_of(a, "dns").ports;
  CHECK(ports[0].node_port == 30000);
  CHECK(ports[1].node_port == 30000);
  CHECK(ports[2].node_port == 30001);
  CHECK(a.table.at("default/dns").node_ports.size() == 3);
}

TEST_CASE("Services have the address families that they ask for", "[allocate]") {
  using Texts = std::vector<std::string>;
  constexpr const char* kBoth = "10.96.0.0/16,fd00:96::/112";
  struct Row {
    const char* cidr;
    const char* spec;
    Texts ips, families;
    std::size_t problems;
  };
  const auto row = GENERATE(values<Row>({
      {kBoth, "", {"10.96.0.10"}, {"IPv4"}, 0},
      {"fd00:96::/112,10.96.0.0/16", "", {"fd00:96::a"}, {"IPv6"}, 0},
      {kBoth, "ipFamilies: [IPv6]", {"fd00:96::a"}, {"IPv6"}, 0},
      {kBoth, "ipFamilyPolicy: PreferDualStack", {"10.96.0.10", "fd00:96::a"}, {"IPv4", "IPv6"}, 0},
      {kBoth,
       "ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]",
       {"fd00:96::a", "10.96.0.10"},
       {"IPv6", "IPv4"},
       0},
      {kBoth,
       "ipFamilyPolicy: RequireDualStack, clusterIP: 'fd00:96::0050'",
       {"fd00:96::50", "10.96.0.10"},
       {"IPv6", "IPv4"},
       0},
      {kBoth,
       "ipFamilyPolicy: RequireDualStack, clusterIP: 10.96.7.7, clusterIPs: [10.96.7.7, 'fd00:96::7']",
       {"10.96.7.7", "fd00:96::7"},
       {"IPv4", "IPv6"},
       0},
      {kCidr, "ipFamilyPolicy: PreferDualStack", {"10.96.0.10"}, {"IPv4"}, 0},
      {kCidr, "ipFamilyPolicy: RequireDualStack", {"10.96.0.10"}, {"IPv4"}, 1},
      {kCidr, "ipFamilies: [IPv6]", {}, {}, 1},
      {kCidr, "clusterIP: 'fd00::7'", {"fd00::7"}, {"IPv6"}, 0},
  }));
  INFO(row.cidr << " " << row.spec);
  const auto a = allocate(service("aa", row.spec), {}, row.cidr);
  const auto& spec = spec_of(a, "aa");
  CHECK(spec.cluster_ips == row.ips);
  CHECK(spec.cluster_ip == (row.ips.empty() ? "" : row.ips.front()));
  CHECK(spec.ip_families == row.families);
  CHECK(a.problems.size() == row.problems);
  if (row.problems > 0) CHECK(a.problems[0].message == "spec.ipFamilies: the service range has no IPv6 addresses");
  const auto table = decode_table(encode_table(a.table));
  REQUIRE(table.has_value());
  CHECK(spec_of(allocate(service("a0", row.spec) + service("aa", row.spec), *table, row.cidr), "aa").cluster_ips ==
        row.ips);
}

TEST_CASE("ranges of IPv6", "[allocate]") {
  std::string yaml;
  for (const char* name : {"a1", "a2", "a3", "a4"}) yaml += service(name);
  const auto a = allocate(yaml, {}, "fd00::fffc/126");
  std::set<std::string> ips;
  for (const auto& s : a.services) ips.insert(s->spec.cluster_ip);
  CHECK(ips == std::set<std::string>{"fd00::fffd", "fd00::fffe", "fd00::ffff", ""});
  CHECK(a.problems.size() == 1);
  for (const char* cidr : {"10.96.0.0/16,10.97.0.0/16", "10.96.0.0/16,fd00::/112,fd01::/112"}) {
    CHECK_FALSE(allocate_services({}, {}, cidr).has_value());
  }
}

TEST_CASE("a range can be used up", "[allocate]") {
  std::string yaml;
  for (const char* name : {"a1", "a2", "a3", "a4", "a5", "a6", "a7"}) yaml += service(name);
  const auto a = allocate(yaml, {}, "10.0.0.0/29");
  std::set<std::string> ips;
  for (const auto& s : a.services) {
    if (!s->spec.cluster_ip.empty()) ips.insert(s->spec.cluster_ip);
  }
  CHECK(ips == std::set<std::string>{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"});
  REQUIRE(a.problems.size() == 1);
  CHECK(a.problems[0].message == "spec.clusterIP: no address is left in the service range");
}

TEST_CASE("ranges and tables that cannot be read are errors", "[allocate]") {
  for (const char* cidr : {"", "10.96.0.0", "10.96.0.0/7", "10.96.0.0/31", "10.96.0.0/", "10.96.0/16", "fd00::/63",
                           "fd00::/127", "x/16"}) {
    INFO(cidr);
    const auto out = allocate_services({}, {}, cidr);
    REQUIRE_FALSE(out.has_value());
    CHECK(out.error().message.find("is not a range") != std::string::npos);
  }
  for (const char* text : {"", "[", "{\"a\": 1}", "{\"a\": {\"clusterIPs\": 1, \"nodePorts\": {}}}"}) {
    INFO(text);
    CHECK_FALSE(decode_table(text).has_value());
  }
  CHECK(decode_table("{}")->empty());
  CHECK(decode_table(R"({"default/aa": {"clusterIP": "10.96.0.10", "nodePorts": {}}})").value() ==
        ServiceTable{{"default/aa", {{"10.96.0.10"}, {}}}});
}

}  // namespace keelson::agent::test
