#include <catch2/catch.hpp>

#include "proxy/chain_names.hpp"
#include "proxy/ip.hpp"

namespace keelson::proxy {

TEST_CASE("chain names match the known vectors") {
  CHECK(service_chain(ChainKind::svc, "ns1/svc1:p80", "tcp").name() == "KUBE-SVC-XPGD46QRK7WJZT7O");
  CHECK(service_chain(ChainKind::ext, "ns1/svc1:p80", "tcp").name() == "KUBE-EXT-XPGD46QRK7WJZT7O");
  CHECK(endpoint_chain("ns1/svc1:p80", "tcp", "10.180.0.1:80").name() == "KUBE-SEP-SXIVWICOYRO3J4NJ");
  CHECK(service_chain(ChainKind::svl, "default/kubernetes:https", "tcp").name() == "KUBE-SVL-NPX46M4PTMTKRN6Y");
  CHECK(service_chain(ChainKind::fw, "ns1/svc1", "tcp").name() == "KUBE-FW-AQI2S6QIMU7PVVRP");
}

TEST_CASE("only the proxy's own chains are taken for ours") {
  for (const char* name : {"KUBE-SVC-X", "KUBE-SEP-X", "KUBE-SERVICES", "KUBE-IPTABLES-HINT", "KUBE-PROXY-CANARY"}) {
    CHECK(is_our_chain(name));
  }
  for (const char* name :
       {"KUBE-ROUTER-INPUT", "KUBE-KUBELET-CANARY", "KUBE-NWPLCY-DEFAULT", "INPUT", "cali-FORWARD"}) {
    CHECK_FALSE(is_our_chain(name));
  }
}

TEST_CASE("addresses are read and written in both families") {
  CHECK(IpAddress::parse(" 10.0.0.1 ")->to_string() == "10.0.0.1");
  CHECK(IpAddress::parse("FD00::1")->with_port(80) == "[fd00::1]:80");
  CHECK(IpAddress::parse("10.0.0.1")->family() == Family::ipv4);
  CHECK(IpAddress::parse("fd00::1")->family() == Family::ipv6);
  CHECK(IpAddress::parse("::ffff:10.0.0.1") == IpAddress::parse("10.0.0.1"));
  CHECK(IpAddress::parse("127.9.9.9")->is_loopback());
  CHECK(IpAddress::parse("::1")->is_loopback());
  for (const char* bad : {"", "10.0.0", "10.0.0.256", "x", "10.0.0.1/8"}) CHECK_FALSE(IpAddress::parse(bad));
}

TEST_CASE("prefixes are read, normalized and matched") {
  CHECK(IpPrefix::parse("10.1.2.3/8")->to_string() == "10.0.0.0/8");
  CHECK(IpPrefix::parse("fd00:1::5/32")->to_string() == "fd00:1::/32");
  CHECK(IpPrefix::parse("::/0")->family() == Family::ipv6);
  CHECK(IpPrefix::parse("203.0.113.0/25")->contains(*IpAddress::parse("203.0.113.127")));
  CHECK_FALSE(IpPrefix::parse("203.0.113.0/25")->contains(*IpAddress::parse("203.0.113.128")));
  CHECK(IpPrefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("1.2.3.4")));
  CHECK_FALSE(IpPrefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("fd00::1")));
  for (const char* bad : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "fd00::/129", "/8", "10.0.0.0/8x"}) {
    CHECK_FALSE(IpPrefix::parse(bad));
  }
}

}  // namespace keelson::proxy
