// Stale flows in the kernel's table, in a network namespace of its own. Needs root. Entries are made by netlink, as
// conntrack(8) would; those of real packets are in kernel_test.cpp and tests/node.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "base/strings.hpp"
#include "proxy/conntrack.hpp"
#include "tests/unit/proxy/netns.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

bool skip_unprivileged() {
  if (::geteuid() == 0) return false;
  WARN("skipped: needs root");
  return true;
}

// An entry as if `client`:`port` had sent to `to` and `from` answered.
void add(const std::string& protocol, int port, const std::string& to, const std::string& from,
         const std::string& client = "10.9.0.1") {
  const auto colon_to = to.rfind(' '), colon_from = from.rfind(' ');
  const std::string state = protocol == "tcp"    ? " --state ESTABLISHED"
                            : protocol == "sctp" ? " --state ESTABLISHED --orig-vtag 1 --reply-vtag 2"
                                                 : "";
  shell("conntrack -I -p " + protocol + " -t 300" + state + " --orig-src " + client + " --orig-dst " +
        to.substr(0, colon_to) + " --sport " + std::to_string(port) + " --dport " + to.substr(colon_to + 1) +
        " --reply-src " + from.substr(0, colon_from) + " --reply-dst " + client + " --reply-port-src " +
        from.substr(colon_from + 1) + " --reply-port-dst " + std::to_string(port) + " 2>&1");
}

std::size_t entries(const std::string& protocol, const std::string& options = "-f ipv4") {
  const std::string text =
      shell("conntrack -L -p " + protocol + " " + options + " 2>/dev/null | grep -c ' src=' || true");
  return static_cast<std::size_t>(std::stoul(text));
}

FlowTarget target(const char* ip, std::uint16_t port) { return {*IpAddress::parse(ip), port}; }

StaleFlows dns_served_by(const char* ip) {
  StaleFlows stale;
  stale.serve({Protocol::udp, *IpAddress::parse("172.30.0.2"), 53}, {target(ip, 5353)});
  stale.serve({Protocol::udp, {}, 30053}, {target(ip, 5353)});
  stale.serve({Protocol::sctp, *IpAddress::parse("172.30.0.2"), 7}, {target(ip, 99)});
  stale.set_node_ips({*IpAddress::parse("192.168.0.1")});
  return stale;
}

}  // namespace

TEST_CASE("only stale entries are taken out of the kernel's table", "[root][conntrack]") {
  if (skip_unprivileged()) return;
  const NodeNamespace node_namespace;
  add("udp", 1001, "172.30.0.2 53", "10.180.0.1 5353");       // served
  add("udp", 1002, "172.30.0.2 53", "10.180.0.9 5353");       // stale
  add("udp", 1003, "172.30.0.2 53", "172.30.0.2 53");         // from before there were rules
  add("udp", 1004, "192.168.0.1 30053", "10.180.0.9 5353");   // stale, by the node port
  add("udp", 1005, "8.8.8.8 30053", "8.8.8.8 30053");         // passes through
  add("udp", 1006, "10.180.0.9 5353", "10.180.0.9 5353");     // straight to the pod
  add("tcp", 1007, "172.30.0.2 53", "10.180.0.9 5353");       // TCP is nobody's business
  add("udp", 1008, "fd00::2 53", "fd00::9 5353", "fd00::1");  // the other family's
  REQUIRE(entries("udp") == 6);
  const auto removed = remove_stale_flows(Family::ipv4, dns_served_by("10.180.0.1"));
  REQUIRE(removed.has_value());
  CHECK(*removed == 3);
  CHECK(entries("udp") == 3);
  for (const int port : {1001, 1005, 1006}) CHECK(entries("udp", "-f ipv4 --sport " + std::to_string(port)) == 1);
  CHECK(entries("tcp") == 1);
  CHECK(entries("udp", "-f ipv6") == 1);
  const auto again = remove_stale_flows(Family::ipv4, dns_served_by("10.180.0.1"));
  REQUIRE(again.has_value());
  CHECK(*again == 0);

  StaleFlows six;
  six.retire({Protocol::udp, *IpAddress::parse("fd00::2"), 53});
  const auto of_six = remove_stale_flows(Family::ipv6, six);
  REQUIRE(of_six.has_value());
  CHECK(*of_six == 1);
  CHECK(entries("udp", "-f ipv6") == 0);
}

TEST_CASE("SCTP associations to endpoints that went are stale too", "[root][conntrack]") {
  if (skip_unprivileged()) return;
  const NodeNamespace node_namespace;
  try {
    add("sctp", 1001, "172.30.0.2 7", "10.180.0.1 99");
    add("sctp", 1002, "172.30.0.2 7", "10.180.0.9 99");
  } catch (const std::exception& error) {
    WARN("skipped: no SCTP conntrack here: " << error.what());
    return;
  }
  const auto removed = remove_stale_flows(Family::ipv4, dns_served_by("10.180.0.1"));
  REQUIRE(removed.has_value());
  CHECK(*removed == 1);
  CHECK(entries("sctp", "--sport 1001") == 1);
  CHECK(entries("sctp", "--sport 1002") == 0);
}

TEST_CASE("a table full of TCP costs the kernel's walk and no more", "[root][conntrack]") {
  if (skip_unprivileged()) return;
  const NodeNamespace node_namespace;
  // conntrack -R reads entries in the form that -o save prints.
  shell(R"(for i in $(seq 1 250); do for p in $(seq 1 80); do echo "-A -t 300 -u SEEN_REPLY -s 10.9.$i.1 -d 10.8.0.1 )"
        R"(-r 10.8.0.1 -q 10.9.$i.1 -p tcp --sport $((1000+p)) --dport 80 --reply-port-src 80 )"
        R"(--reply-port-dst $((1000+p)) --state ESTABLISHED"; done; done | conntrack -R - >/dev/null 2>&1)");
  REQUIRE(entries("tcp") == 20000);
  add("udp", 1002, "172.30.0.2 53", "10.180.0.9 5353");
  const auto start = std::chrono::steady_clock::now();
  const auto removed = remove_stale_flows(Family::ipv4, dns_served_by("10.180.0.1"));
  const auto took = std::chrono::steady_clock::now() - start;
  REQUIRE(removed.has_value());
  CHECK(*removed == 1);
  CHECK(entries("tcp") == 20000);
  const double milliseconds = std::chrono::duration<double, std::milli>(took).count();
  WARN("a look at 20,000 TCP entries: " << milliseconds << " ms");
}

}  // namespace keelson::proxy
