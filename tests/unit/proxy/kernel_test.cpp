// The proxy against the real kernel, through every backend, in a network namespace of its own. Needs root.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <set>

#include "base/strings.hpp"
#include "tests/unit/proxy/builders.hpp"
#include "tests/unit/proxy/kernel_node.hpp"
#include "tests/unit/proxy/netns.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

constexpr const char* kClusterIp = "10.96.0.10";
constexpr const char* kPodA = "10.244.0.2";
constexpr const char* kPodB = "10.244.0.3";

kube::Service echo() { return service("ns", "echo", kClusterIp, {port("t", 80, "TCP", 30080), port("u", 53, "UDP")}); }

kube::EndpointSlice echo_slice(const std::vector<std::string>& ips) {
  std::vector<kube::Endpoint> endpoints;
  for (const auto& ip : ips) endpoints.push_back(endpoint(ip, kNode));
  return slice("ns", "echo", endpoints, {slice_port("t", 8080), slice_port("u", 8080, "UDP")});
}

std::string in(const Pod& pod, const std::string& ip, int number) {
  std::string text;
  pod.enter([&] { text = ask_tcp(ip, number); });
  return text;
}

void serve_and_replace(const std::string& variant) {
  const NodeNamespace node_namespace;
  const Pod a("a", kPodA), b("b", kPodB);
  shell("ip route add default dev va");  // as any node has one: a ClusterIP must be routable before it is translated
  const bool nftables = variant == kNftables;
  const auto rules = [&] { return shell(nftables ? "nft list ruleset" : "iptables" + variant + "-save"); };
  Node node(variant);
  node->set_service(echo());
  node->set_service(service("ns", "other", "10.96.0.11", {port("p", 80)}));
  node->set_slice(echo_slice({kPodA}));
  node.start();

  // From the node, from a pod, through the node port, and from the pod to itself.
  CHECK(ask_tcp(kClusterIp, 80).rfind("a ", 0) == 0);
  CHECK(in(b, kClusterIp, 80) == std::string("a ") + kPodB);
  CHECK(in(b, kNodeIp, 30080).rfind("a ", 0) == 0);
  CHECK(in(b, kNodeIp, 30080) != std::string("a ") + kPodB);  // masqueraded
  CHECK(in(a, kClusterIp, 80) != std::string("a ") + kPodA);  // hairpin: masqueraded as well
  CHECK(in(a, kClusterIp, 80).rfind("a ", 0) == 0);
  CHECK(ask_tcp("10.96.0.11", 80) == "refused");

  // A UDP client with one socket follows the endpoint that replaces its own.
  std::unique_ptr<UdpClient> client;
  std::string first, second;
  b.enter([&] {
    client = std::make_unique<UdpClient>(kClusterIp, 53);
    first = client->ask();
  });
  CHECK(first == std::string("a ") + kPodB);
  node->set_slice(echo_slice({kPodA, kPodB}));
  node.settle();
  std::set<char> answered;
  for (int i = 0; i < 40; ++i) answered.insert(ask_tcp(kClusterIp, 80).front());
  CHECK(answered == std::set<char>{'a', 'b'});
  node->set_slice(echo_slice({kPodB}));
  node.settle();
  b.enter([&] { second = client->ask(); });
  CHECK(second.rfind("b ", 0) == 0);
  CHECK(node.status().partial_syncs == 2);
  CHECK(node.status().full_syncs == 1);
  CHECK(rules().find(kPodA) == std::string::npos);

  // Back to nothing, and the Service gone.
  node->remove_slice("ns/echo-x");
  node.settle();
  CHECK(ask_tcp(kClusterIp, 80) == "refused");
  CHECK(in(a, kNodeIp, 30080) == "refused");
  node->remove_service("ns/echo");
  node.settle();
  CHECK(rules().find(nftables ? kClusterIp : "ns/echo") == std::string::npos);
  CHECK(rules().find(nftables ? "10.96.0.11 . tcp . 80" : "ns/other") != std::string::npos);

  const auto cleaned = node.cleanup();
  CHECK(cleaned.has_value());
  CHECK(rules().find(nftables ? "kube-proxy" : "KUBE-") == std::string::npos);
}

void adopt_and_repair(const std::string& variant) {
  const NodeNamespace node_namespace;
  const auto rules = [&variant] { return shell("iptables" + variant + "-save | grep -v '^#'"); };
  shell("iptables" + variant + " -N OTHERS && iptables" + variant + " -A INPUT -j OTHERS");
  const auto give = [](Node& node) {
    kube::Service s = echo();
    s.spec.session_affinity = "ClientIP";
    s.spec.external_traffic_policy = "Local";
    s.spec.type = "LoadBalancer";
    s.spec.health_check_node_port = 30999;
    s.spec.external_ips = {"1.2.3.4"};
    s.spec.load_balancer_source_ranges = {"203.0.113.0/24"};
    s.status.load_balancer.ingress = {{"5.6.7.8", "", {}}};
    s.spec.ports.push_back(port("s", 7, "SCTP"));
    node->set_service(s);
    kube::EndpointSlice endpoints = echo_slice({kPodA, "10.244.1.9"});
    endpoints.ports.push_back(slice_port("s", 7, "SCTP"));
    node->set_slice(endpoints);
  };
  std::string before;
  {
    Node first(variant);
    give(first);
    first->set_service(service("ns", "gone", "10.96.0.12", {port("p", 80)}));
    first->set_slice(slice("ns", "gone", {endpoint(kPodB)}, {slice_port("p", 80)}));
    first.start();
    CHECK(rules().find("ns/gone:p") != std::string::npos);
    first->remove_service("ns/gone");
    first.settle();
    before = rules();
    first->set_service(service("ns", "gone", "10.96.0.12", {port("p", 80)}));
    first.settle();
  }
  Node second(variant);  // knows nothing, finds everything
  give(second);
  second.start();
  const auto sorted = [](const std::string& text) {
    const std::vector<std::string> lines = split(text, '\n');
    return std::multiset<std::string>(lines.begin(), lines.end());
  };
  CHECK(sorted(rules()) == sorted(before));
  CHECK(rules().find("-A INPUT -j OTHERS") != std::string::npos);

  CHECK(*second.iptables().canaries_present(Family::ipv4));
  shell("iptables" + variant + " -t mangle -F && iptables" + variant + " -t mangle -X");
  CHECK_FALSE(*second.iptables().canaries_present(Family::ipv4));

  // A rule of ours that somebody deleted: the partial sync fails, a full one repairs.
  const std::string rule =
      shell("iptables" + variant + "-save -t nat | grep 'ns/echo:t cluster IP' | grep -- '-A KUBE-SERVICES'");
  shell("iptables" + variant + " -t nat -D" + rule.substr(2, rule.find('\n') - 2));
  kube::Service moved = echo();
  moved.spec.cluster_ips = {"10.96.0.99"};
  second->set_service(moved);
  second.settle();
  CHECK(second.status().failures == 1);
  CHECK(second.status().full_syncs == 2);
  CHECK(rules().find("10.96.0.99") != std::string::npos);
  CHECK(rules().find(std::string("-d ") + kClusterIp) == std::string::npos);
  CHECK(*second.iptables().canaries_present(Family::ipv4));
  CHECK(second.cleanup().has_value());
  CHECK(rules().find("KUBE-") == std::string::npos);
  CHECK(rules().find("-A INPUT -j OTHERS") != std::string::npos);
}

// IPv6 with every kind of rule: the kernel takes them, finds its canary, and lets go of all.
void write_ipv6(const std::string& variant) {
  const NodeNamespace node_namespace;
  Node node(variant, "fd00:77::1");
  kube::Service s = echo();
  s.spec.cluster_ips = {"fd00:96::10"};
  s.spec.type = "LoadBalancer";
  s.spec.session_affinity = "ClientIP";
  s.status.load_balancer.ingress = {{"fd00:5::8", "", {}}};
  s.spec.load_balancer_source_ranges = {"fd00:5::/64"};
  node->set_service(s);
  node->set_slice(echo_slice({"fd00:244::2", "fd00:244::3"}));
  node.start();
  const auto rules = [&variant] { return shell("ip6tables" + variant + "-save"); };
  CHECK(rules().find("-j DNAT --to-destination [fd00:244::3]:8080") != std::string::npos);
  CHECK(*node.iptables().canaries_present(Family::ipv6));
  shell("ip6tables" + variant + " -t mangle -F && ip6tables" + variant + " -t mangle -X");
  CHECK_FALSE(*node.iptables().canaries_present(Family::ipv6));
  node->set_slice(echo_slice({"fd00:244::2"}));
  node.settle();
  CHECK(rules().find("fd00:244::3") == std::string::npos);
  CHECK(node.status().failures == 0);
  CHECK(node.cleanup().has_value());
  CHECK(rules().find("KUBE-") == std::string::npos);
}

}  // namespace

TEST_CASE("packets reach the endpoints of a Service, iptables-nft", "[root]") {
  if (!skip_unprivileged()) serve_and_replace("-nft");
}
TEST_CASE("packets reach the endpoints of a Service, nftables", "[root]") {
  if (!skip_unprivileged()) serve_and_replace(kNftables);
}
TEST_CASE("packets reach the endpoints of a Service, iptables-legacy", "[root]") {
  if (!skip_unprivileged()) serve_and_replace("-legacy");
}
TEST_CASE("rules of a former run are adopted and damage is repaired, iptables-nft", "[root]") {
  if (!skip_unprivileged()) adopt_and_repair("-nft");
}
TEST_CASE("rules of a former run are adopted and damage is repaired, iptables-legacy", "[root]") {
  if (!skip_unprivileged()) adopt_and_repair("-legacy");
}
TEST_CASE("IPv6 rules are taken by the kernel", "[root]") {
  if (skip_unprivileged()) return;
  write_ipv6("-nft");
  write_ipv6("-legacy");
}

}  // namespace keelson::proxy
