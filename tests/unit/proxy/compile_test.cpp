#include <catch2/catch.hpp>

#include "proxy/endpoints.hpp"
#include "tests/unit/proxy/builders.hpp"

namespace keelson::proxy {
using namespace test;
using Lines = std::vector<std::string>;

namespace {

bool has(const Lines& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

bool mentions(const Lines& lines, const std::string& text) {
  return std::any_of(lines.begin(), lines.end(),
                     [&text](const std::string& l) { return l.find(text) != std::string::npos; });
}

// A Service with everything, and one endpoint here, one elsewhere.
kube::Service load_balancer() {
  kube::Service s = service("ns", "lb", "172.30.0.45", {port("p80", 80, "TCP", 3002)});
  s.spec.type = "LoadBalancer";
  s.spec.external_ips = {"192.168.99.22"};
  s.status.load_balancer.ingress = {{"5.6.7.8", "", "VIP"}, {"9.9.9.9", "", "Proxy"}, {"", "lb.example", {}}};
  return s;
}

kube::EndpointSlice two_endpoints(const std::string& name = "lb") {
  return slice("ns", name, {endpoint("10.180.0.3", kNode), endpoint("10.180.0.4")}, {slice_port("p80", 80)});
}

}  // namespace

TEST_CASE("a ClusterIP Service has upstream's rules") {
  Model model;
  put(model, service("ns1", "svc1", "172.30.0.41", {port("p80", 80)}));
  put(model, slice("ns1", "svc1", {endpoint("10.180.0.1"), endpoint("10.180.0.2")}, {slice_port("p80", 80)}));
  const std::string sep2 = endpoint_chain("ns1/svc1:p80", "tcp", "10.180.0.2:80").name();
  CHECK(
      rules_of(model, "ns1/svc1", options()) ==
      Lines{
          R"(nat -A KUBE-SERVICES -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 172.30.0.41 --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O)",
          R"(nat -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 172.30.0.41 --dport 80 ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ)",
          R"(nat -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.1:80" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-SXIVWICOYRO3J4NJ)",
          R"(nat -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.2:80" -j )" + sep2,
          R"(nat -A KUBE-SEP-SXIVWICOYRO3J4NJ -m comment --comment ns1/svc1:p80 -s 10.180.0.1 -j KUBE-MARK-MASQ)",
          R"(nat -A KUBE-SEP-SXIVWICOYRO3J4NJ -m comment --comment ns1/svc1:p80 -m tcp -p tcp -j DNAT --to-destination 10.180.0.1:80)",
          "nat -A " + sep2 + " -m comment --comment ns1/svc1:p80 -s 10.180.0.2 -j KUBE-MARK-MASQ",
          "nat -A " + sep2 + " -m comment --comment ns1/svc1:p80 -m tcp -p tcp -j DNAT --to-destination 10.180.0.2:80",
      });
}

TEST_CASE("masquerading follows the options") {
  Model model;
  put(model, service("ns1", "svc1", "172.30.0.41", {port("p80", 80)}));
  put(model, slice("ns1", "svc1", {endpoint("10.180.0.1")}, {slice_port("p80", 80)}));
  CompileOptions o = options();
  const std::string head =
      R"(nat -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 172.30.0.41 --dport 80)";
  o.local = {LocalDetector::Mode::interface, "veth+"};
  CHECK(has(rules_of(model, "ns1/svc1", o), head + " ! -i veth+ -j KUBE-MARK-MASQ"));
  o.local = {};
  CHECK(rules_of(model, "ns1/svc1", o).size() == 4);  // service jump, balance, two of the endpoint
  o.masquerade_all = true;
  CHECK(has(rules_of(model, "ns1/svc1", o), head + " -j KUBE-MARK-MASQ"));
}

TEST_CASE("no endpoints reject, a service port without a name has none in its comments") {
  Model model;
  put(model, service("ns", "web", "172.30.0.1", {port("", 80, "UDP", 3001)}));
  put(model, slice("ns", "web", {}, {slice_port("", 80)}));
  CHECK(
      rules_of(model, "ns/web", options()) ==
      Lines{
          R"(filter -A KUBE-SERVICES -m comment --comment "ns/web has no endpoints" -m udp -p udp -d 172.30.0.1 --dport 80 -j REJECT)",
          R"(filter -A KUBE-EXTERNAL-SERVICES -m comment --comment "ns/web has no endpoints" -m addrtype --dst-type LOCAL -m udp -p udp --dport 3001 -j REJECT)",
      });
}

TEST_CASE("NodePort, external IP and VIP lead to the EXT chain; ipMode Proxy and host names do not") {
  Model model;
  put(model, load_balancer());
  put(model, two_endpoints());
  const Lines lines = rules_of(model, "ns/lb", options());
  const std::string hash = service_chain(ChainKind::svc, "ns/lb:p80", "tcp").name().substr(9);
  const std::string ext = "KUBE-EXT-" + hash, svc = "KUBE-SVC-" + hash;
  CHECK(has(
      lines,
      R"(nat -A KUBE-SERVICES -m comment --comment "ns/lb:p80 external IP" -m tcp -p tcp -d 192.168.99.22 --dport 80 -j )" +
          ext));
  CHECK(has(
      lines,
      R"(nat -A KUBE-SERVICES -m comment --comment "ns/lb:p80 loadbalancer IP" -m tcp -p tcp -d 5.6.7.8 --dport 80 -j )" +
          ext));
  CHECK(has(lines, "nat -A KUBE-NODEPORTS -m comment --comment ns/lb:p80 -m tcp -p tcp --dport 3002 -j " + ext));
  CHECK(has(lines,
            "nat -A " + ext +
                R"( -m comment --comment "masquerade traffic for ns/lb:p80 external destinations" -j KUBE-MARK-MASQ)"));
  CHECK(has(lines, "nat -A " + ext + " -j " + svc));
  CHECK_FALSE(mentions(lines, "9.9.9.9"));
  CHECK_FALSE(mentions(lines, "filter"));
  CompileOptions counting = options();
  counting.counters = true;
  CHECK(has(rules_of(model, "ns/lb", counting),
            "nat -A KUBE-NODEPORTS -m comment --comment ns/lb:p80 -m tcp -p tcp -d 127.0.0.0/8 --dport 3002 -m nfacct "
            "--nfacct-name localhost_nps_accepted_pkts -j " +
                ext));
}

TEST_CASE("source ranges guard the VIP") {
  Model model;
  kube::Service s = load_balancer();
  s.spec.load_balancer_source_ranges = {" 203.0.113.0/25 ", "nonsense", "fd00::/8"};
  put(model, s);
  put(model, two_endpoints());
  const std::string hash = service_chain(ChainKind::svc, "ns/lb:p80", "tcp").name().substr(9);
  const std::string fw = "KUBE-FW-" + hash;
  CompileOptions o = options();
  o.node_ip = *IpAddress::parse("203.0.113.5");
  const Lines lines = rules_of(model, "ns/lb", o);
  CHECK(has(
      lines,
      R"(nat -A KUBE-SERVICES -m comment --comment "ns/lb:p80 loadbalancer IP" -m tcp -p tcp -d 5.6.7.8 --dport 80 -j )" +
          fw));
  CHECK(has(lines, R"(filter -A KUBE-PROXY-FIREWALL -m comment --comment "ns/lb:p80 traffic not accepted by )" + fw +
                       R"(" -m tcp -p tcp -d 5.6.7.8 --dport 80 -j DROP)"));
  CHECK(has(lines, "nat -A " + fw +
                       R"( -m comment --comment "ns/lb:p80 loadbalancer IP" -s 203.0.113.0/25 -j KUBE-EXT-)" + hash));
  CHECK(has(lines,
            "nat -A " + fw + R"( -m comment --comment "ns/lb:p80 loadbalancer IP" -s 5.6.7.8 -j KUBE-EXT-)" + hash));
  CHECK(has(lines, "nat -A " + fw +
                       R"( -m comment --comment "other traffic to ns/lb:p80 will be dropped by KUBE-PROXY-FIREWALL")"));
  s.spec.load_balancer_source_ranges = {"203.0.113.0/25", "0.0.0.0/0"};
  put(model, s);
  CHECK_FALSE(mentions(rules_of(model, "ns/lb", o), "KUBE-FW-"));
}

TEST_CASE("externalTrafficPolicy Local uses local endpoints and drops where there are none") {
  Model model;
  kube::Service s = load_balancer();
  s.spec.external_traffic_policy = "Local";
  s.spec.health_check_node_port = 30000;
  put(model, s);
  put(model, two_endpoints());
  const std::string hash = service_chain(ChainKind::svc, "ns/lb:p80", "tcp").name().substr(9);
  const std::string ext = "nat -A KUBE-EXT-" + hash;
  Lines lines = rules_of(model, "ns/lb", options());
  const auto at = std::find(
      lines.begin(), lines.end(),
      ext + R"( -m comment --comment "pod traffic for ns/lb:p80 external destinations" -s 10.0.0.0/8 -j KUBE-SVC-)" +
          hash);
  REQUIRE(at != lines.end());
  CHECK(
      *(at + 1) ==
      ext +
          R"( -m comment --comment "masquerade LOCAL traffic for ns/lb:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ)");
  CHECK(
      *(at + 2) ==
      ext +
          R"( -m comment --comment "route LOCAL traffic for ns/lb:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-)" +
          hash);
  CHECK(*(at + 3) == ext + " -j KUBE-SVL-" + hash);
  CHECK(has(
      lines,
      R"(filter -A KUBE-NODEPORTS -m comment --comment "ns/lb:p80 health check node port" -m tcp -p tcp --dport 30000 -j ACCEPT)"));
  put(model, slice("ns", "lb", {endpoint("10.180.0.4")}, {slice_port("p80", 80)}));
  lines = rules_of(model, "ns/lb", options());
  CHECK_FALSE(mentions(lines, "KUBE-SVL-"));
  CHECK(has(
      lines,
      R"(filter -A KUBE-EXTERNAL-SERVICES -m comment --comment "ns/lb:p80 has no local endpoints" -m tcp -p tcp -d 5.6.7.8 --dport 80 -j DROP)"));
  CHECK(has(
      lines,
      R"(filter -A KUBE-EXTERNAL-SERVICES -m comment --comment "ns/lb:p80 has no local endpoints" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 3002 -j DROP)"));
}

TEST_CASE("internalTrafficPolicy Local uses local endpoints and drops where there are none") {
  Model model;
  kube::Service s = service("ns", "in", "172.30.0.9", {port("p80", 80)});
  s.spec.internal_traffic_policy = "Local";
  put(model, s);
  put(model, two_endpoints("in"));
  Lines lines = rules_of(model, "ns/in", options());
  CHECK(mentions(lines, "--dport 80 -j KUBE-SVL-"));
  CHECK_FALSE(mentions(lines, "10.180.0.4"));
  put(model, slice("ns", "in", {endpoint("10.180.0.4")}, {slice_port("p80", 80)}));
  CHECK(
      rules_of(model, "ns/in", options()) ==
      Lines{
          R"(filter -A KUBE-SERVICES -m comment --comment "ns/in:p80 has no local endpoints" -m tcp -p tcp -d 172.30.0.9 --dport 80 -j DROP)"});
}

TEST_CASE("ClientIP affinity remembers clients for each endpoint") {
  Model model;
  kube::Service s = service("ns", "aff", "172.30.0.9", {port("p80", 80)});
  s.spec.session_affinity = "ClientIP";
  put(model, s);
  put(model, slice("ns", "aff", {endpoint("10.180.0.3")}, {slice_port("p80", 80)}));
  const std::string sep = endpoint_chain("ns/aff:p80", "tcp", "10.180.0.3:80").name();
  const std::string svc = service_chain(ChainKind::svc, "ns/aff:p80", "tcp").name();
  const Lines lines = rules_of(model, "ns/aff", options());
  CHECK(lines[2] == "nat -A " + svc + R"( -m comment --comment "ns/aff:p80 -> 10.180.0.3:80" -m recent --name )" + sep +
                        " --rcheck --seconds 10800 --reap -j " + sep);
  CHECK(lines.back() == "nat -A " + sep + " -m comment --comment ns/aff:p80 -m recent --name " + sep +
                            " --set -m tcp -p tcp -j DNAT --to-destination 10.180.0.3:80");
  s.spec.session_affinity_config = kube::SessionAffinityConfig{kube::ClientIpConfig{60}};
  put(model, s);
  CHECK(mentions(rules_of(model, "ns/aff", options()), "--seconds 60 "));
}

TEST_CASE("ports match by name and protocol; SCTP and IPv6 are written as such") {
  Model model;
  kube::Service s =
      service("ns", "dual", "172.30.0.9", {port("dns", 53, "UDP"), port("dns-tcp", 53), port("sig", 7, "SCTP")});
  s.spec.cluster_ips = {"172.30.0.9", "fd00::9"};
  put(model, s);
  put(model,
      slice("ns", "dual", {endpoint("10.180.0.3")},
            {slice_port("dns", 5353, "UDP"), slice_port("sig", 99, "SCTP"), slice_port("dns-tcp", 5454, "UDP")}));
  put(model, slice("ns", "dual", {endpoint("fd00:10::3")}, {slice_port("dns", 5300, "UDP")}, "six"));
  const Lines four = rules_of(model, "ns/dual", options());
  CHECK(mentions(four, "-m udp -p udp -j DNAT --to-destination 10.180.0.3:5353"));
  CHECK(mentions(four, "-m sctp -p sctp -j DNAT --to-destination 10.180.0.3:99"));
  CHECK(mentions(four, R"("ns/dual:dns-tcp has no endpoints" -m tcp -p tcp -d 172.30.0.9 --dport 53 -j REJECT)"));
  const Lines six = rules_of(model, "ns/dual", options(Family::ipv6));
  CHECK(mentions(six, "-m udp -p udp -d fd00::9 --dport 53 ! -s fd00:10::/64 -j KUBE-MARK-MASQ"));
  CHECK(mentions(six, "-j DNAT --to-destination [fd00:10::3]:5300"));
  CHECK_FALSE(mentions(six, "10.180.0.3"));
}

TEST_CASE("above 1000 endpoints the endpoint rules go without comments") {
  Model model;
  put(model, service("ns1", "svc1", "172.30.0.41", {port("p80", 80)}));
  put(model, slice("ns1", "svc1", {endpoint("10.180.0.1")}, {slice_port("p80", 80)}));
  CompileOptions o = options();
  o.terse = true;
  const Lines lines = rules_of(model, "ns1/svc1", o);
  CHECK(lines[2] == "nat -A KUBE-SVC-XPGD46QRK7WJZT7O -j KUBE-SEP-SXIVWICOYRO3J4NJ");
  CHECK(lines[3] == "nat -A KUBE-SEP-SXIVWICOYRO3J4NJ -s 10.180.0.1 -j KUBE-MARK-MASQ");
  CHECK(lines[4] == "nat -A KUBE-SEP-SXIVWICOYRO3J4NJ -m tcp -p tcp -j DNAT --to-destination 10.180.0.1:80");
}

TEST_CASE("headless, ExternalName and other proxies' Services have no rules") {
  Model model;
  kube::Service s = service("ns", "s", "None", {port("p80", 80)});
  CHECK(read_service(s, model.names()).spec == nullptr);
  s = service("ns", "s", "172.30.0.1", {port("p80", 80)});
  s.spec.type = "ExternalName";
  CHECK(read_service(s, model.names()).spec == nullptr);
  s.spec.type = "ClusterIP";
  s.metadata.labels["service.kubernetes.io/service-proxy-name"] = "mine";
  CHECK(read_service(s, model.names()).spec == nullptr);
}

TEST_CASE("bad fields are named, the rest of the Service counts") {
  Model model;
  kube::Service s = service("ns", "s", "172.30.0.1",
                            {port("p\"80", 80), port("b", 0), port("c", 1, "ICMP"), port("ok", 5), port("ok", 6)});
  s.spec.external_ips = {"1.2.3"};
  const ServiceInput input = read_service(s, model.names());
  REQUIRE(input.spec != nullptr);
  CHECK(input.spec->ports.size() == 1);
  CHECK(input.problems == Lines{"Service ns/s: spec.ports[0].name: not a DNS label",
                                "Service ns/s: spec.ports[1].port: expected 1 to 65535",
                                "Service ns/s: spec.ports[2].protocol: expected TCP, UDP or SCTP",
                                "Service ns/s: spec.ports[4].name: another port has this name and protocol",
                                "Service ns/s: spec.externalIPs[0]: not an IP address"});
  kube::EndpointSlice bad = slice("ns", "s", {endpoint("10.0.0.1"), endpoint("x")}, {slice_port("ok", 70000)});
  CHECK(read_endpoint_slice(bad, kNode, model.names()).problems ==
        Lines{"EndpointSlice ns/s-x: ports[0].port: expected 1 to 65535",
              "EndpointSlice ns/s-x: endpoints[1].addresses[0]: not an IPv4 address"});
}

}  // namespace keelson::proxy
