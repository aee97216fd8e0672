#include <catch2/catch.hpp>

#include "proxy/nft_compile.hpp"
#include "tests/unit/proxy/builders.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

// Elements in words, where a frontend's value is the chain that handles it and a service id is "S".
std::vector<std::string> elements_of(const Model& model, const std::string& key, const CompileOptions& o) {
  NftHandlers handlers;
  const std::string records = compile_elements(*model.find(key), model, o, handlers);
  std::vector<std::string> lines;
  for (std::string_view rest = records; !rest.empty();) {
    const NftElement e = take_element(rest, o.family);
    std::string line = describe(e, o.family);
    if (e.set == NftSet::service_frontends || e.set == NftSet::nodeport_frontends) {
      std::uint32_t number = 0;
      std::copy_n(e.data.data() + 4, sizeof number, reinterpret_cast<char*>(&number));
      line = line.substr(0, line.find(" : ")) + " : " + handlers.at(number).chain();
    }
    lines.push_back(line);
  }
  return lines;
}

std::string id_text(const std::string& port_name, Protocol protocol = Protocol::tcp) {
  const NftServiceId id = nft_service_id(port_name, protocol);
  std::string out;
  NftRecord(out, NftSet::hairpin_endpoints, Family::ipv4).service(id);
  char text[32];
  std::snprintf(text, sizeof text, "0x%08x . 0x%08x", id[0], id[1]);
  return text;
}

using Lines = std::vector<std::string>;

kube::Service web(const std::string& type = "ClusterIP") {
  kube::Service s = service("ns", "web", "172.30.0.1", {port("p80", 80)});
  s.spec.type = type;
  return s;
}
kube::EndpointSlice two() {
  return slice("ns", "web", {endpoint("10.180.0.1"), endpoint("10.180.0.2", kNode)}, {slice_port("p80", 8080)});
}
const std::string kId = id_text("ns/web:p80");

Lines with(const kube::Service& s, const kube::EndpointSlice& endpoints, const CompileOptions& o = options()) {
  Model model;
  put(model, s);
  put(model, endpoints);
  return elements_of(model, "ns/web", o);
}
kube::EndpointSlice none() { return slice("ns", "web", {}, {slice_port("p80", 8080)}); }

bool has(const Lines& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}
bool mentions(const Lines& lines, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(), [&](const auto& l) { return l.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("a ClusterIP becomes a frontend, its endpoints and a ClusterIP to guard") {
  CHECK(with(web(), two()) == Lines{
                                  "service-frontends 172.30.0.1 . tcp . 80 : internal-2",
                                  "service-endpoints " + kId + " . 0x00000000 : 10.180.0.1 . 8080",
                                  "service-endpoints " + kId + " . 0x00000001 : 10.180.0.2 . 8080",
                                  "cluster-ips 172.30.0.1",
                                  "hairpin-endpoints 10.180.0.2 . 10.180.0.2",
                              });
}

TEST_CASE("without endpoints a ClusterIP is rejected, with none here under policy Local dropped") {
  CHECK(with(web(), none()) == Lines{"rejected-services 172.30.0.1 . tcp . 80", "cluster-ips 172.30.0.1"});
  kube::Service local = web();
  local.spec.internal_traffic_policy = "Local";
  const auto far = slice("ns", "web", {endpoint("10.180.0.1")}, {slice_port("p80", 8080)});
  CHECK(with(local, far) == Lines{"dropped-services 172.30.0.1 . tcp . 80", "cluster-ips 172.30.0.1"});
  CHECK(with(local, two()) == Lines{
                                  "service-frontends 172.30.0.1 . tcp . 80 : internal-local-1",
                                  "service-endpoints " + kId + " . 0x00010000 : 10.180.0.2 . 8080",
                                  "cluster-ips 172.30.0.1",
                                  "hairpin-endpoints 10.180.0.2 . 10.180.0.2",
                              });
}

TEST_CASE("NodePorts, external IPs and load balancer addresses are frontends of the same service") {
  kube::Service s = service("ns", "web", "172.30.0.1", {port("p80", 80, "TCP", 30080)});
  s.spec.type = "LoadBalancer";
  s.spec.external_ips = {"1.2.3.4", "1.2.3.4"};
  s.status.load_balancer.ingress = {{"5.6.7.8", "", {}}, {"5.6.7.9", "", "Proxy"}};
  const Lines lines = with(s, two());
  CHECK(has(lines, "service-frontends 1.2.3.4 . tcp . 80 : external-2"));
  CHECK(has(lines, "service-frontends 5.6.7.8 . tcp . 80 : external-2"));
  CHECK(has(lines, "nodeport-frontends tcp . 30080 : nodeport-2"));
  CHECK_FALSE(mentions(lines, "5.6.7.9"));
  CHECK(lines.size() == 8);
  const Lines empty = with(s, none());
  CHECK(empty == Lines{"rejected-services 1.2.3.4 . tcp . 80", "rejected-services 5.6.7.8 . tcp . 80",
                       "rejected-services 172.30.0.1 . tcp . 80", "rejected-nodeports tcp . 30080",
                       "cluster-ips 172.30.0.1"});
}

TEST_CASE("externalTrafficPolicy Local keeps both lists: outsiders get local endpoints, pods and the node any") {
  kube::Service s = service("ns", "web", "172.30.0.1", {port("p80", 80, "TCP", 30080)});
  s.spec.type = "NodePort";
  s.spec.external_traffic_policy = "Local";
  s.spec.external_ips = {"1.2.3.4"};
  const Lines lines = with(s, two());
  CHECK(has(lines, "service-frontends 172.30.0.1 . tcp . 80 : internal-2"));
  CHECK(has(lines, "service-frontends 1.2.3.4 . tcp . 80 : external-local-2-1"));
  CHECK(has(lines, "nodeport-frontends tcp . 30080 : nodeport-local-2-1"));
  CHECK(has(lines, "service-endpoints " + kId + " . 0x00010000 : 10.180.0.2 . 8080"));
  CHECK(has(lines, "hairpin-endpoints 10.180.0.1 . 10.180.0.1"));
  const Lines far = with(s, slice("ns", "web", {endpoint("10.180.0.1")}, {slice_port("p80", 8080)}));
  CHECK(has(far, "service-frontends 1.2.3.4 . tcp . 80 : external-local-1-0"));
  CHECK(has(far, "dropped-services 1.2.3.4 . tcp . 80"));
  CHECK(has(far, "dropped-nodeports tcp . 30080"));
}

TEST_CASE("source ranges guard load balancer addresses alone, with or without endpoints") {
  kube::Service s = web("LoadBalancer");
  s.spec.external_ips = {"1.2.3.4"};
  s.status.load_balancer.ingress = {{"5.6.7.8", "", {}}};
  s.spec.load_balancer_source_ranges = {"203.0.113.0/24", "2001:db8::/64"};
  const Lines guard{"firewalled-services 5.6.7.8 . tcp . 80",
                    "firewall-sources 5.6.7.8 . tcp . 80 . 203.0.113.0 . 0x00000018"};
  for (const auto& lines : {with(s, two()), with(s, none())}) {
    Lines found;
    for (const auto& line : lines) {
      if (line.rfind("firewall", 0) == 0) found.push_back(line);
    }
    CHECK(found == guard);
  }
  CompileOptions o = options();
  o.node_ip = *IpAddress::parse("203.0.113.9");
  CHECK(has(with(s, two(), o), "firewall-sources 5.6.7.8 . tcp . 80 . 5.6.7.8 . 0x00000020"));
  s.spec.load_balancer_source_ranges = {"0.0.0.0/0"};
  CHECK_FALSE(mentions(with(s, two()), "firewall"));
}

TEST_CASE("session affinity lists what may be chosen and what still stands, under one service id") {
  kube::Service s = web();
  s.spec.session_affinity = "ClientIP";
  CHECK(with(s, two()) == Lines{
                              "service-frontends 172.30.0.1 . tcp . 80 : internal-2-sticky-10800",
                              "sticky-choices " + kId + " . 0x00000000 : 0x00000000 . 10.180.0.1 . 8080",
                              "sticky-choices " + kId + " . 0x00000001 : 0x00000000 . 10.180.0.2 . 8080",
                              "sticky-endpoints 10.180.0.1 . 8080 . " + kId,
                              "sticky-endpoints 10.180.0.2 . 8080 . " + kId,
                              "cluster-ips 172.30.0.1",
                              "hairpin-endpoints 10.180.0.2 . 10.180.0.2",
                          });
}

TEST_CASE("several ports, protocols and families are apart; headless Services have nothing") {
  Model model;
  kube::Service s = service("ns", "web", "172.30.0.1", {port("a", 53, "UDP"), port("b", 53), port("c", 7, "SCTP")});
  s.spec.cluster_ips = {"172.30.0.1", "fd00:30::1"};
  s.spec.ip_families = {"IPv4", "IPv6"};
  put(model, s);
  put(model, slice("ns", "web", {endpoint("fd00:10::1")}, {slice_port("a", 5353, "UDP")}));
  const Lines v6 = elements_of(model, "ns/web", options(Family::ipv6));
  CHECK(has(v6, "service-frontends fd00:30::1 . udp . 53 : internal-1"));
  CHECK(has(v6, "service-endpoints " + id_text("ns/web:a", Protocol::udp) + " . 0x00000000 : fd00:10::1 . 5353"));
  CHECK(has(v6, "rejected-services fd00:30::1 . sctp . 7"));
  const Lines v4 = elements_of(model, "ns/web", options());
  CHECK(v4 == Lines{"rejected-services 172.30.0.1 . tcp . 53", "rejected-services 172.30.0.1 . udp . 53",
                    "rejected-services 172.30.0.1 . sctp . 7", "cluster-ips 172.30.0.1"});
  kube::Service six = service("ns", "six", "fd00:30::2", {port("a", 80)});
  put(model, six);
  CHECK(elements_of(model, "ns/six", options()).empty());
}

TEST_CASE("terminating endpoints serve where no ready one is left, as in the other mode") {
  kube::EndpointSlice endpoints = two();
  for (auto& e : endpoints.endpoints) {
    e.conditions.ready = false;
    e.conditions.serving = true;
    e.conditions.terminating = true;
  }
  CHECK(has(with(web(), endpoints), "service-frontends 172.30.0.1 . tcp . 80 : internal-2"));
  endpoints.endpoints[0].conditions.ready = true;
  endpoints.endpoints[0].conditions.terminating = false;
  CHECK(has(with(web(), endpoints), "service-frontends 172.30.0.1 . tcp . 80 : internal-1"));
}

TEST_CASE("NodePorts are taken at the addresses that are configured, never at the loopback") {
  CompileOptions o = options();
  CHECK(compile_nodeport_ips(o).empty());
  o.node_port_ips = {{*IpAddress::parse("192.168.0.1"), *IpAddress::parse("127.0.0.1"), *IpAddress::parse("fd00::1")}};
  const std::string records = compile_nodeport_ips(o);
  std::string_view rest = records;
  CHECK(describe(take_element(rest, Family::ipv4), Family::ipv4) == "nodeport-ips 192.168.0.1");
  CHECK(rest.empty());
}

TEST_CASE("a service id differs by name and protocol and stays the same") {
  CHECK(nft_service_id("ns/web:p80", Protocol::tcp) == nft_service_id("ns/web:p80", Protocol::tcp));
  CHECK(nft_service_id("ns/web:p80", Protocol::tcp) != nft_service_id("ns/web:p80", Protocol::udp));
  CHECK(nft_service_id("ns/web:p80", Protocol::tcp) != nft_service_id("ns/web:p81", Protocol::tcp));
}

}  // namespace keelson::proxy
