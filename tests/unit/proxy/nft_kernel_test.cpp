// The nftables backend against the real kernel: every kind of frontend with real packets, what outlives a restart,
// repair, and what many Services cost. In a network namespace of its own; needs root, and the nft tool to look at the
// result.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <thread>

#include "base/blocking_pool.hpp"
#include "proxy/nft_sync.hpp"
#include "tests/unit/proxy/kernel_node.hpp"
#include "tests/unit/proxy/netns.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

constexpr const char* kClusterIp = "10.96.0.10";
constexpr const char* kExternalIp = "192.0.2.10";
constexpr const char* kVip = "192.0.2.20";
constexpr const char* kPodA = "10.244.0.2";
constexpr const char* kPodB = "10.244.0.3";
constexpr const char* kFriend = "198.51.100.7";   // beyond the cluster
constexpr const char* kStranger = "203.0.113.5";  // likewise, outside of the source ranges

std::string in(const Pod& pod, const std::string& ip, int number) {
  std::string text;
  pod.enter([&] { text = ask_tcp(ip, number); });
  return text;
}

kube::Service every_kind() {
  kube::Service s = service("ns", "echo", kClusterIp, {port("t", 80, "TCP", 30080)});
  s.spec.type = "LoadBalancer";
  s.spec.external_ips = {kExternalIp};
  s.status.load_balancer.ingress = {{kVip, "", {}}};
  s.spec.load_balancer_source_ranges = {"198.51.100.0/24", "10.244.0.0/16"};
  return s;
}

kube::EndpointSlice served_by(const std::vector<std::string>& ips, const char* node = kNode) {
  std::vector<kube::Endpoint> endpoints;
  for (const auto& ip : ips) endpoints.push_back(endpoint(ip, node));
  return slice("ns", "echo", endpoints, {slice_port("t", 8080)});
}

std::string table() { return shell("nft list table ip kube-proxy"); }

}  // namespace

TEST_CASE("every frontend of a Service is served, masqueraded and guarded as it should be, nftables", "[root]") {
  if (skip_unprivileged()) return;
  const NodeNamespace node_namespace;
  const Pod a("a", kPodA), b("b", kPodB), friendly("near", kFriend), stranger("far", kStranger);
  shell("ip route add default dev va");
  Node node(kNftables);
  node->set_service(every_kind());
  node->set_slice(served_by({kPodA}));
  node.start();
  const std::string kept = std::string("a ") + kFriend;

  CHECK(in(b, kClusterIp, 80) == std::string("a ") + kPodB);  // a pod keeps its address
  for (const auto& [ip, number] : {std::pair(kClusterIp, 80), {kExternalIp, 80}, {kVip, 80}, {kNodeIp, 30080}}) {
    INFO(ip);
    const std::string answer = in(friendly, ip, number);
    CHECK(answer.rfind("a ", 0) == 0);
    CHECK(answer != kept);  // who is not of the cluster is masqueraded
  }
  CHECK(in(stranger, kExternalIp, 80).rfind("a ", 0) == 0);  // ranges guard load balancer addresses alone
  CHECK(in(stranger, kVip, 80) == "timeout");
  CHECK(in(b, kVip, 80).rfind("a ", 0) == 0);
  CHECK(in(friendly, kClusterIp, 81) == "refused");  // a port that no Service has
  CHECK(in(friendly, "127.0.0.1", 30080) == "refused");
  CHECK(in(a, kClusterIp, 80) != std::string("a ") + kPodA);  // to itself
  CHECK(in(a, kClusterIp, 80).rfind("a ", 0) == 0);

  kube::Service local = every_kind();
  local.spec.external_traffic_policy = "Local";
  node->set_service(local);
  node.settle();
  CHECK(in(friendly, kNodeIp, 30080) == kept);
  CHECK(in(friendly, kVip, 80) == kept);
  CHECK(in(b, kVip, 80) == std::string("a ") + kPodB);
  CHECK(in(a, kVip, 80).rfind("a ", 0) == 0);

  node->set_slice(served_by({kPodA}, "node-b"));  // elsewhere, as far as the proxy knows
  node.settle();
  CHECK(in(friendly, kExternalIp, 80) == "timeout");
  CHECK(in(b, kExternalIp, 80) == std::string("a ") + kPodB);  // a pod may go to any
  CHECK(ask_tcp(kExternalIp, 80).rfind("a ", 0) == 0);         // and so may the node
  CHECK(in(friendly, kClusterIp, 80).rfind("a ", 0) == 0);
  CHECK(node.status().full_syncs == 1);
  CHECK(node.status().failures == 0);
}

TEST_CASE("a client with affinity keeps its endpoint as long as that stands, nftables", "[root]") {
  if (skip_unprivileged()) return;
  const NodeNamespace node_namespace;
  const Pod a("a", kPodA), b("b", kPodB), client("c", "10.244.0.9");
  shell("ip route add default dev va");
  const auto sticky = [] {
    kube::Service s = every_kind();
    s.spec.session_affinity = "ClientIP";
    return s;
  };
  const auto of = [&client](const char* ip, int number) { return in(client, ip, number).substr(0, 1); };
  std::string chosen, other;
  {
    Node node(kNftables);
    node->set_service(sticky());
    node->set_slice(served_by({kPodA, kPodB}));
    node.start();
    chosen = of(kClusterIp, 80);
    other = chosen == "a" ? "b" : "a";
    for (int i = 0; i < 12; ++i) CHECK(of(kClusterIp, 80) == chosen);
    for (int i = 0; i < 4; ++i) CHECK(of(kVip, 80) == chosen);  // one service, whatever the address
    for (int i = 0; i < 4; ++i) CHECK(of(kNodeIp, 30080) == chosen);
    node->set_slice(served_by({chosen == "a" ? kPodB : kPodA}));
    node.settle();
    for (int i = 0; i < 4; ++i) CHECK(of(kClusterIp, 80) == other);
    node->set_slice(served_by({kPodA, kPodB}));
    node.settle();
    for (int i = 0; i < 12; ++i) CHECK(of(kClusterIp, 80) == other);
    CHECK(node.status().failures == 0);
  }
  Node second(kNftables);  // knows nothing, and forgets nothing
  second->set_service(sticky());
  second->set_slice(served_by({kPodA, kPodB}));
  second.start();
  for (int i = 0; i < 12; ++i) CHECK(of(kClusterIp, 80) == other);
  CHECK(table().find("sticky-10800") != std::string::npos);
}

TEST_CASE("connections are spread evenly over the endpoints, nftables", "[root]") {
  if (skip_unprivileged()) return;
  const NodeNamespace node_namespace;
  const Pod a("a", kPodA), b("b", kPodB), c("c", "10.244.0.4");
  shell("ip route add default dev va");
  Node node(kNftables);
  node->set_service(every_kind());
  node->set_slice(served_by({kPodA, kPodB, "10.244.0.4"}));
  node.start();
  std::map<char, int> answers;
  for (int i = 0; i < 300; ++i) ++answers[ask_tcp(kClusterIp, 80).front()];
  REQUIRE(answers.size() == 3);
  for (const auto& [name, times] : answers) CHECK(std::abs(times - 100) < 50);  // six standard deviations
}

TEST_CASE("IPv6 elements and rules of every kind are taken by the kernel, nftables", "[root]") {
  if (skip_unprivileged()) return;
  const NodeNamespace node_namespace;
  for (const bool sticky : {false, true}) {
    for (const char* policy : {"Cluster", "Local"}) {
      Node node(kNftables, "fd00:77::1");
      kube::Service s = every_kind();
      s.spec.cluster_ips = {"fd00:96::10"};
      s.spec.external_ips = {"fd00:6::6"};
      s.status.load_balancer.ingress = {{"fd00:5::8", "", {}}};
      s.spec.load_balancer_source_ranges = {"fd00:5::/64", "fd00:7::/48"};
      s.spec.session_affinity = sticky ? "ClientIP" : "None";
      s.spec.external_traffic_policy = policy;
      s.spec.internal_traffic_policy = policy;
      node->set_service(s);
      node->set_slice(served_by({"fd00:244::2", "fd00:244::3"}));
      node.start();
      const auto rules = [] { return shell("nft list table ip6 kube-proxy"); };
      CHECK(rules().find("fd00:244::3 . 8080") != std::string::npos);
      node->set_slice(served_by({"fd00:244::2"}));
      node.settle();
      CHECK(rules().find("fd00:244::3") == std::string::npos);
      CHECK(node.status().failures == 0);
      CHECK(node.cleanup().has_value());
      CHECK(shell("nft list tables").empty());
    }
  }
}

TEST_CASE("local traffic is told by interface or prefix as well, nftables", "[root]") {
  if (skip_unprivileged()) return;
  const NodeNamespace node_namespace;
  const Pod a("a", kPodA), b("b", kPodB), outside("x", "10.244.0.77");
  shell("ip route add default dev va; ip link set vb down; ip link set vb name podb; ip link set podb up");
  shell("ip route add 10.244.0.3/32 dev podb; ip addr replace 169.254.1.1/32 dev podb");
  ProxyConfig config;
  config.detect_local_mode = LocalMode::interface_name_prefix;
  config.interface_name_prefix = "pod";
  config.nftables.masquerade_bit = 20;
  Node node(kNftables, kNodeIp, config);
  node->set_service(every_kind());
  node->set_slice(served_by({kPodA}));
  node.start();
  CHECK(in(b, kClusterIp, 80) == std::string("a ") + kPodB);
  CHECK(in(outside, kClusterIp, 80).rfind("a ", 0) == 0);
  CHECK(in(outside, kClusterIp, 80) != "a 10.244.0.77");
  CHECK(table().find("0x00100000") != std::string::npos);
}

TEST_CASE("upstream's table is replaced, others' tables and changes are left alone, a flush is repaired", "[root]") {
  if (skip_unprivileged()) return;
  const NodeNamespace node_namespace;
  const Pod a("a", kPodA);
  shell("ip route add default dev va");
  shell(
      "nft 'add table ip kube-proxy { comment \"rules for kube-proxy\"; }; add chain ip kube-proxy services; "
      "add map ip kube-proxy service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }; "
      "add chain ip kube-proxy service-ULMVA6XW-ns1; "
      "add element ip kube-proxy service-ips { 10.96.0.10 . tcp . 80 : goto service-ULMVA6XW-ns1 }; "
      "add table inet firewall; add chain inet firewall input'");
  ProxyConfig config;
  config.nftables.sync_period = Seconds(1);
  Node node(kNftables, kNodeIp, config);
  node->set_service(every_kind());
  node->set_slice(served_by({kPodA}));
  node.start();
  CHECK(table().find("service-ULMVA6XW") == std::string::npos);
  CHECK(ask_tcp(kClusterIp, 80).rfind("a ", 0) == 0);
  shell("nft add rule inet firewall input accept");
  const auto twice = std::chrono::steady_clock::now() + Milliseconds(2200);  // it has looked by then
  node.wait_until([&] { return std::chrono::steady_clock::now() > twice; });
  CHECK(node.status().full_syncs == 1);
  for (const char* harm : {"flush table ip kube-proxy", "delete table ip kube-proxy", "flush ruleset",
                           "insert rule ip kube-proxy services drop"}) {
    INFO(harm);
    const auto syncs = node.status().full_syncs;
    shell(std::string("nft '") + harm + "'");
    node.wait_until([&] { return node.status().full_syncs > syncs; });
    CHECK(ask_tcp(kClusterIp, 80).rfind("a ", 0) == 0);
  }
  // Elements that somebody took come back without a change of theirs; handles do not tell of them.
  const auto syncs = node.status().full_syncs;
  shell("nft flush map ip kube-proxy service-endpoints");
  node.wait_until([&] { return node.status().full_syncs > syncs; });
  CHECK(ask_tcp(kClusterIp, 80).rfind("a ", 0) == 0);
  node->set_slice(served_by({kPodB}));
  node.settle();
  CHECK(node.status().failures == 0);
  CHECK(table().find(std::string(kPodB) + " . 8080") != std::string::npos);
}

TEST_CASE("a node moves from iptables to nftables and back without both or neither, nftables", "[root]") {
  if (skip_unprivileged()) return;
  const NodeNamespace node_namespace;
  const Pod a("a", kPodA);
  shell("ip route add default dev va");
  for (const std::string& mode : {std::string("-nft"), kNftables, std::string("-nft"), kNftables}) {
    INFO(mode);
    Node node(mode);
    node->set_service(every_kind());
    node->set_slice(served_by({kPodA}));
    node.start();
    CHECK(ask_tcp(kClusterIp, 80).rfind("a ", 0) == 0);
    CHECK((shell("nft list tables").find("ip kube-proxy") != std::string::npos) == (mode == kNftables));
    CHECK((shell("iptables-nft-save").find(":KUBE-SERVICES") != std::string::npos) == (mode == "-nft"));
  }
}

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

long resident_mib() {
  std::ifstream statm("/proc/self/statm");
  long total = 0, resident = 0;
  statm >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE) / (1 << 20);
}

std::string address_of(int first, int i) {
  return std::to_string(first) + '.' + std::to_string(i >> 16 & 255) + '.' + std::to_string(i >> 8 & 255) + '.' +
         std::to_string(i & 255);
}

void measure(int services) {
  Model model;
  const auto give = [&model](int i, int shift) {
    const std::string name = "svc" + std::to_string(i);
    put(model, slice("ns", name, {endpoint(address_of(11, 2 * i + shift)), endpoint(address_of(11, 2 * i + 1))},
                     {slice_port("p", 8080)}));
  };
  for (int i = 0; i < services; ++i) {
    put(model, service("ns", "svc" + std::to_string(i), address_of(10, i + 1), {port("p", 80)}));
    give(i, 0);
  }
  (void)model.take_dirty();
  const long modelled = resident_mib();
  NetlinkNft::Shared kernel;
  NftSync sync(Family::ipv4);
  auto start = std::chrono::steady_clock::now();
  double cpu = cpu_seconds();
  NftBatch batch = sync.full(model, options(), true, {});
  const double compiled = seconds_since(start);
  const std::size_t bytes = batch.bytes.size();
  REQUIRE(NetlinkNft::commit_now(kernel, batch).has_value());
  std::cout << services << " Services, " << 2 * services << " endpoints: first sync " << seconds_since(start) << " s ("
            << compiled << " s of it to compile), CPU " << cpu_seconds() - cpu << " s, " << (bytes >> 20)
            << " MiB of messages\n";
  batch = {};
  start = std::chrono::steady_clock::now();
  const NftBatch again = sync.full(model, options(), false, {});
  REQUIRE(NetlinkNft::commit_now(kernel, again).has_value());
  std::cout << "  full sync in place " << seconds_since(start) << " s; resident " << resident_mib()
            << " MiB, of it the model " << modelled << " MiB\n";
  const auto changes = [&](const char* what, int count, auto change) {
    double worst = 0, all = 0;
    const double cpu_before = cpu_seconds();
    for (int i = 0; i < count; ++i) {
      // The kernel lets go of removed elements after a grace period; a change that comes sooner would wait for that.
      std::this_thread::sleep_for(Milliseconds(30));
      const auto one = std::chrono::steady_clock::now();
      change(i);
      const NftBatch b = sync.partial(model, options(), model.take_dirty());
      const auto written = NetlinkNft::commit_now(kernel, b);
      if (!written) FAIL(written.error().message);
      const double took = seconds_since(one);
      worst = std::max(worst, took);
      all += took;
    }
    std::cout << "  " << what << ": " << all / count * 1000 << " ms each, at worst " << worst * 1000
              << " ms, CPU " << (cpu_seconds() - cpu_before) / count * 1000 << " ms\n";
  };
  changes("an endpoint replaced", 100, [&](int i) { give(i * 7, 500000); });
  changes("an endpoint fewer", 100, [&](int i) {
    put(model, slice("ns", "svc" + std::to_string(i * 7), {endpoint(address_of(11, 2 * i))}, {slice_port("p", 8080)}));
  });
  changes("a number of endpoints that is new", 10, [&](int i) {
    std::vector<kube::Endpoint> many;
    for (int n = 0; n < 40 + i; ++n) many.push_back(endpoint(address_of(12, n)));
    put(model, slice("ns", "svc" + std::to_string(i * 3), many, {slice_port("p", 8080)}));
  });
  changes("a Service added", 100,
          [&](int i) { put(model, service("ns", "new" + std::to_string(i), address_of(13, i), {port("p", 80)})); });
}

}  // namespace

TEST_CASE("what Services cost in mode nftables", "[.bench]") {
  if (skip_unprivileged()) return;
  for (const int services : {100, 10000, 44000}) {
    const NodeNamespace node_namespace;
    measure(services);
  }
}

}  // namespace keelson::proxy
