#include <catch2/catch.hpp>

#include "agent/spec/dns.hpp"
#include "agent/spec/hosts.hpp"
#include "builders.hpp"
#include "printing.hpp"

namespace keelson::spec {
namespace {

using namespace test;
using Strings = std::vector<std::string>;

TEST_CASE("DNS by policy") {
  auto p = pod();
  auto facts = node();
  struct Case {
    const char* policy;
    bool host_network;
    Strings servers, searches, options;
  };
  const Strings cluster_searches = {"shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan"};
  const Case cases[] = {
      {"ClusterFirst", false, {"10.96.0.10"}, cluster_searches, {"ndots:5"}},
      {"ClusterFirst", true, {"192.168.1.1"}, {"lan"}, {"timeout:2"}},
      {"ClusterFirstWithHostNet", true, {"10.96.0.10"}, cluster_searches, {"ndots:5"}},
      {"Default", false, {"192.168.1.1"}, {"lan"}, {"timeout:2"}},
      {"None", false, {}, {}, {}},
      {"Nonsense", false, {"10.96.0.10"}, cluster_searches, {"ndots:5"}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.policy, c.host_network);
    p.spec.dns_policy = c.policy;
    p.spec.host_network = c.host_network;
    const auto dns = pod_dns(p, facts);
    CHECK(dns.servers == c.servers);
    CHECK(dns.searches == c.searches);
    CHECK(dns.options == c.options);
    CHECK(dns.warnings.empty());
  }
}

TEST_CASE("ClusterFirst without a cluster DNS falls back, with a warning") {
  auto facts = node();
  facts.cluster_dns.clear();
  const auto dns = pod_dns(pod(), facts);
  CHECK(dns.servers == Strings{"192.168.1.1"});
  CHECK(dns.searches == Strings{"lan"});
  REQUIRE(dns.warnings.size() == 1);
  CHECK(dns.warnings[0].reason == "MissingClusterDNS");
  CHECK(dns.warnings[0].message ==
        "pod: \"web_shop(11-22-33)\". kubelet does not have ClusterDNS IP configured and cannot create Pod using "
        "\"ClusterFirst\" policy. Falling back to \"Default\" policy.");
}

TEST_CASE("no resolver configuration means the local machine") {
  auto p = pod();
  auto facts = node();
  p.spec.dns_policy = "Default";
  facts.resolv_conf.reset();
  CHECK(pod_dns(p, facts).servers == Strings{"127.0.0.1", "::1"});
  CHECK(pod_dns(p, facts).searches == Strings{"."});
  facts.ips.clear();
  CHECK(pod_dns(p, facts).servers == Strings{"127.0.0.1"});
  p.spec.dns_policy = "ClusterFirst";
  facts.cluster_domain.clear();
  CHECK(pod_dns(p, facts).searches.empty());
}

TEST_CASE("dnsConfig is appended, duplicates dropped, options merged by name") {
  auto p = pod();
  auto& config = p.spec.dns_config.emplace();
  config.nameservers = {"1.1.1.1", "10.96.0.10"};
  config.searches = {"corp", "lan"};
  config.options = {{"ndots", "2"}, {"edns0", {}}};
  const auto dns = pod_dns(p, node());
  CHECK(dns.servers == Strings{"10.96.0.10", "1.1.1.1"});
  CHECK(dns.searches == Strings{"shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan", "corp"});
  CHECK(dns.options == Strings{"ndots:2", "edns0"});
}

TEST_CASE("DNS limits cut and warn") {
  auto p = pod();
  p.spec.dns_policy = "None";
  auto& config = p.spec.dns_config.emplace();
  SECTION("nameservers") {
    config.nameservers = {"1.0.0.1", "1.0.0.2", "1.0.0.3", "1.0.0.4"};
    const auto dns = pod_dns(p, node());
    CHECK(dns.servers == Strings{"1.0.0.1", "1.0.0.2", "1.0.0.3"});
    REQUIRE(dns.warnings.size() == 1);
    CHECK(dns.warnings[0].reason == "DNSConfigForming");
    CHECK(dns.warnings[0].message ==
          "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
          "1.0.0.1 1.0.0.2 1.0.0.3");
  }
  SECTION("number of searches") {
    for (int i = 0; i < 33; ++i) config.searches.push_back("s" + std::to_string(i));
    const auto dns = pod_dns(p, node());
    CHECK(dns.searches.size() == 32);
    CHECK(dns.searches.back() == "s31");
    REQUIRE(dns.warnings.size() == 1);
    CHECK_THAT(dns.warnings[0].message,
               Catch::StartsWith("Search Line limits were exceeded, some search paths have been omitted, the applied "
                                 "search line is: s0 s1 ") &&
                   Catch::EndsWith(" s30 s31"));
  }
  SECTION("one search too long") {
    config.searches = {"a", std::string(254, 'x'), "b"};
    const auto dns = pod_dns(p, node());
    CHECK(dns.searches == Strings{"a", "b"});
    CHECK(dns.warnings.size() == 1);
  }
  SECTION("the whole line too long") {
    for (int i = 0; i < 9; ++i) config.searches.push_back(std::string(249, static_cast<char>('a' + i)));
    const auto dns = pod_dns(p, node());
    CHECK(dns.searches.size() == 8);  // 8 * 249 + 7 = 1999; nine would be 2249
    CHECK(dns.warnings.size() == 1);
  }
  SECTION("2048 characters exactly are fine") {
    for (int i = 0; i < 8; ++i) config.searches.push_back(std::string(250, static_cast<char>('a' + i)));
    config.searches.push_back(std::string(40, 'z'));  // 2000 + 40 + 8 spaces
    CHECK(pod_dns(p, node()).warnings.empty());
    config.searches.back() += 'z';
    CHECK(pod_dns(p, node()).searches.size() == 8);
  }
}

TEST_CASE("host names") {
  auto p = pod();
  const auto get = [&] { return pod_hostname(p, "cluster.local"); };
  CHECK(get()->name == "web");
  CHECK(get()->domain.empty());
  p.spec.hostname = "front";
  p.spec.subdomain = "sub";
  CHECK(get()->name == "front");
  CHECK(get()->domain == "sub.shop.svc.cluster.local");
  p.spec.hostname_override = "over.ride";
  CHECK(get()->name == "over.ride");
  CHECK(get()->domain.empty());
  p.spec.hostname_override = "Not Good";
  CHECK_THAT(get().error().message,
             Catch::StartsWith("pod HostnameOverride \"Not Good\" is not a valid DNS subdomain: "));
  p.spec.hostname_override.reset();
  p.spec.hostname = "a.b";
  CHECK_THAT(get().error().message, Catch::StartsWith("pod Hostname \"a.b\" is not a valid DNS label: "));
  p.spec.hostname.clear();
  p.spec.subdomain = "-";
  CHECK_THAT(get().error().message, Catch::StartsWith("pod Subdomain \"-\" is not a valid DNS label: "));

  p.spec.subdomain.clear();
  p.metadata.name = std::string(70, 'x');
  CHECK(get()->name == std::string(63, 'x'));
  p.metadata.name = std::string(60, 'x') + "-.-yyy";
  CHECK(get()->name == std::string(60, 'x'));  // no "-" or "." at the end
  p.metadata.name = std::string(70, '-');
  CHECK_THAT(get().error().message, Catch::Contains("was invalid"));
}

TEST_CASE("setHostnameAsFQDN") {
  auto p = pod();
  const PodHostname with_domain{"web", "sub.shop.svc.cluster.local"};
  CHECK(kernel_hostname(with_domain, p).value() == "web");
  p.spec.set_hostname_as_fqdn = true;
  CHECK(kernel_hostname(with_domain, p).value() == "web.sub.shop.svc.cluster.local");
  CHECK(kernel_hostname({"web", ""}, p).value() == "web");
  CHECK(kernel_hostname({std::string(60, 'a'), "bcd"}, p)->size() == 64);
  const auto failed = kernel_hostname({std::string(60, 'a'), "bcde"}, p);
  REQUIRE(!failed);
  CHECK(failed.error().message == "failed to construct FQDN from pod hostname and cluster domain, FQDN " +
                                      std::string(60, 'a') +
                                      ".bcde is too long (64 characters is the max, 65 characters requested)");
}

const std::string kFixed =
    "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";

TEST_CASE("/etc/hosts") {
  auto p = pod();
  CHECK(hosts_file(p, {"web", ""}, {"10.1.0.5", "fd01::5"}, "ignored") == kFixed + "10.1.0.5\tweb\nfd01::5\tweb\n");
  CHECK(hosts_file(p, {"web", "sub.shop.svc.x"}, {"10.1.0.5"}, "") == kFixed + "10.1.0.5\tweb.sub.shop.svc.x\tweb\n");
  p.spec.host_aliases = {{"1.2.3.4", {"one", "two"}}, {"::2", {"six"}}};
  const std::string aliases = "\n# Entries added by HostAliases.\n1.2.3.4\tone\ttwo\n::2\tsix\n";
  CHECK(hosts_file(p, {"web", ""}, {"10.1.0.5"}, "") == kFixed + "10.1.0.5\tweb\n" + aliases);
  p.spec.host_network = true;
  CHECK(hosts_file(p, {"web", ""}, {"10.0.0.1"}, "127.0.0.1 localhost\n") ==
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n" + aliases);
}

TEST_CASE("Service names for nodes without a cluster DNS") {
  kube::ObjectSet objects;
  CHECK(service_hosts(pod(), objects, "cluster.local").empty());
  auto dual = std::make_shared<kube::Service>(*service("other", "cache", "10.96.0.8"));
  dual->spec.cluster_ips = {"10.96.0.8", "fd00::8"};
  auto external = std::make_shared<kube::Service>(*service("shop", "ext", ""));
  external->spec.type = "ExternalName";
  objects.services = {service("shop", "db", "10.96.0.7"), service("shop", "headless", "None"), dual, external};
  CHECK(service_hosts(pod(), objects, "cluster.local") ==
        "\n# Services of this node (no cluster DNS is configured).\n"
        "10.96.0.8\tcache.other.svc.cluster.local\tcache.other.svc\tcache.other\n"
        "fd00::8\tcache.other.svc.cluster.local\tcache.other.svc\tcache.other\n"
        "10.96.0.7\tdb.shop.svc.cluster.local\tdb.shop.svc\tdb.shop\tdb\n");
  objects.services = {service("shop", "db", "10.96.0.7")};
  CHECK_THAT(service_hosts(pod(), objects, ""), Catch::EndsWith("10.96.0.7\tdb.shop.svc\tdb.shop\tdb\n"));
}

TEST_CASE("when the hosts file is mounted") {
  auto p = pod();
  auto& main = p.spec.containers.front();
  CHECK(mounts_hosts_file(p, main, {"10.1.0.5"}));
  CHECK(!mounts_hosts_file(p, main, {}));
  p.spec.host_network = true;
  CHECK(mounts_hosts_file(p, main, {}));
  main.volume_mounts.emplace_back().mount_path = "/etc/hosts";
  CHECK(!mounts_hosts_file(p, main, {}));
}

}  // namespace
}  // namespace keelson::spec
