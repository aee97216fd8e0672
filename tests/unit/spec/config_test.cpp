#include <catch2/catch.hpp>

#include "agent/spec/container_config.hpp"
#include "agent/spec/linux_resources.hpp"
#include "agent/spec/sandbox_config.hpp"
#include "builders.hpp"
#include "cri/api.pb.h"
#include "printing.hpp"

namespace keelson::spec {
namespace {

using namespace test;
using Strings = std::vector<std::string>;

template <class Map>
std::map<std::string, std::string> entries(const Map& map) {
  return {map.begin(), map.end()};
}

TEST_CASE("the sandbox of a plain pod") {
  auto p = pod();
  p.metadata.labels = {{"app", "web"}};
  p.metadata.annotations = {{"note", "hi"}};
  const auto facts = node();
  const auto dns = pod_dns(p, facts);
  const auto got = make_sandbox_config({p, 3, facts, dns, {}});
  REQUIRE(got);
  CHECK(got->metadata().name() == "web");
  CHECK(got->metadata().namespace_() == "shop");
  CHECK(got->metadata().uid() == "11-22-33");
  CHECK(got->metadata().attempt() == 3);
  CHECK(got->hostname() == "web");
  CHECK(got->log_directory() == "/var/log/pods/shop_web_11-22-33");
  CHECK(Strings(got->dns_config().servers().begin(), got->dns_config().servers().end()) == dns.servers);
  CHECK(Strings(got->dns_config().searches().begin(), got->dns_config().searches().end()) == dns.searches);
  CHECK(Strings(got->dns_config().options().begin(), got->dns_config().options().end()) == dns.options);
  CHECK(got->port_mappings_size() == 0);
  CHECK(entries(got->labels()) == std::map<std::string, std::string>{{"app", "web"},
                                                                     {"io.kubernetes.pod.name", "web"},
                                                                     {"io.kubernetes.pod.namespace", "shop"},
                                                                     {"io.kubernetes.pod.uid", "11-22-33"}});
  CHECK(entries(got->annotations()) == std::map<std::string, std::string>{{"note", "hi"}});
  CHECK(got->linux().cgroup_parent() == "/kubepods/besteffort/pod11-22-33");
  CHECK(got->linux().security_context().seccomp().profile_type() == v1::SecurityProfile::RuntimeDefault);
  CHECK(got->linux().security_context().namespace_options().network() == v1::POD);
  CHECK(!got->linux().security_context().privileged());
  CHECK(got->linux().resources().cpu_shares() == 2);
  CHECK(got->linux().has_overhead());
  CHECK(got->linux().overhead().cpu_shares() == 0);
}

TEST_CASE("the sandbox's security context and sysctls") {
  auto p = pod();
  auto& context = p.spec.security_context.emplace();
  context.run_as_user = 1;
  context.run_as_group = 2;
  context.fs_group = 3;
  context.supplemental_groups = {4};
  context.supplemental_groups_policy = "Strict";
  context.se_linux_options = kube::SeLinuxOptions{"u", "r", "t", "l"};
  context.sysctls = {{"net/ipv4/conf/eth0.1/forwarding", "1"}, {"kernel.shm_rmid_forced", "0"}};
  p.spec.containers[0].security_context.emplace().privileged = true;
  PodSecurityFacts extra;
  extra.extra_groups = {9};
  const auto facts = node();
  const auto got = make_sandbox_config({p, 0, facts, {}, extra});
  REQUIRE(got);
  const auto& security = got->linux().security_context();
  CHECK(security.privileged());
  CHECK(security.run_as_user().value() == 1);
  CHECK(security.run_as_group().value() == 2);
  CHECK(std::vector<std::int64_t>(security.supplemental_groups().begin(), security.supplemental_groups().end()) ==
        std::vector<std::int64_t>{3, 9, 4});
  CHECK(security.supplemental_groups_policy() == v1::Strict);
  CHECK(security.selinux_options().type() == "t");
  CHECK(entries(got->linux().sysctls()) ==
        std::map<std::string, std::string>{{"net.ipv4.conf.eth0/1.forwarding", "1"}, {"kernel.shm_rmid_forced", "0"}});
}

TEST_CASE("ports, and pods on the host's network") {
  auto p = pod();
  const auto add = [&](const char* name, int container_port, int host_port, const char* protocol, const char* ip) {
    auto& one = p.spec.containers[0].ports.emplace_back();
    one.name = name;
    one.container_port = container_port;
    one.host_port = host_port;
    one.protocol = protocol;
    one.host_ip = ip;
  };
  add("http", 80, 8080, "TCP", "");
  add("http", 81, 0, "TCP", "");  // the name is taken
  add("", 53, 53, "UDP", "10.0.0.1");
  add("", 53, 53, "UDP", "10.0.0.1");
  add("", 53, 53, "SCTP", "fd00::1");
  p.spec.init_containers = {container("init")};
  p.spec.init_containers[0].ports.emplace_back().container_port = 99;
  p.spec.host_network = true;
  p.spec.hostname = "ignored";
  const auto facts = node();
  const auto got = make_sandbox_config({p, 0, facts, {}, {}});
  REQUIRE(got);
  CHECK(got->hostname().empty());
  CHECK(got->linux().security_context().namespace_options().network() == v1::NODE);
  REQUIRE(got->port_mappings_size() == 3);
  CHECK(got->port_mappings(0).container_port() == 80);
  CHECK(got->port_mappings(0).host_port() == 8080);
  CHECK(got->port_mappings(0).protocol() == v1::TCP);
  CHECK(got->port_mappings(1).host_ip() == "10.0.0.1");
  CHECK(got->port_mappings(1).protocol() == v1::UDP);
  CHECK(got->port_mappings(2).protocol() == v1::SCTP);
}

TEST_CASE("a bad host name or group policy stops the sandbox") {
  auto p = pod();
  const auto facts = node();
  p.spec.hostname = "a.b";
  CHECK_THAT(make_sandbox_config({p, 0, facts, {}, {}}).error().message, Catch::StartsWith("pod Hostname \"a.b\""));
  p.spec.hostname.clear();
  p.spec.security_context.emplace().supplemental_groups_policy = "Odd";
  CHECK(make_sandbox_config({p, 0, facts, {}, {}}).error().message == "unsupported supplementalGroupsPolicy: Odd");
}

TEST_CASE("container resources") {
  auto facts = node();
  const auto of = [&](const kube::Pod& p) { return container_resources(p, p.spec.containers.front(), facts); };

  SECTION("nothing asked for") {
    const auto got = of(pod());
    CHECK(got.cpu_shares() == 2);
    CHECK(got.cpu_period() == 100000);
    CHECK(got.cpu_quota() == 0);
    CHECK(got.memory_limit_in_bytes() == 0);
    CHECK(got.oom_score_adj() == 1000);
    REQUIRE(got.hugepage_limits_size() == 1);
    CHECK(got.hugepage_limits(0).page_size() == "2MB");
    CHECK(got.hugepage_limits(0).limit() == 0);
    CHECK(got.unified().empty());
  }
  SECTION("requests and limits") {
    const auto got = of(pod({container("a", resources({{"cpu", "250m"}, {"memory", "1Gi"}}),
                                       resources({{"cpu", "500m"}, {"memory", "2Gi"}, {"hugepages-2Mi", "4Mi"}}))}));
    CHECK(got.cpu_shares() == 256);
    CHECK(got.cpu_quota() == 50000);
    CHECK(got.memory_limit_in_bytes() == 2LL << 30);
    CHECK(got.oom_score_adj() == 875);
    CHECK(got.hugepage_limits(0).limit() == 4 << 20);
  }
  SECTION("shares follow the limit only where there is no request at all") {
    CHECK(of(pod({container("a", {}, resources({{"cpu", "1"}}))})).cpu_shares() == 1024);
    CHECK(of(pod({container("a", resources({{"cpu", "0"}}), resources({{"cpu", "1"}}))})).cpu_shares() == 2);
  }
  SECTION("pod-level limits stand in") {
    auto p = pod();
    p.spec.resources.emplace().limits = resources({{"cpu", "2"}, {"memory", "1Gi"}, {"hugepages-2Mi", "2Mi"}});
    const auto got = of(p);
    CHECK(got.cpu_quota() == 200000);
    CHECK(got.memory_limit_in_bytes() == 1LL << 30);
    CHECK(got.hugepage_limits(0).limit() == 2 << 20);
  }
  SECTION("no CFS quota") {
    facts.cpu_cfs_quota = false;
    const auto got = of(pod({container("a", {}, resources({{"cpu", "1"}}))}));
    CHECK(got.cpu_quota() == 0);
    CHECK(got.cpu_period() == 0);
  }
  SECTION("cgroup v2: the whole container is killed, and no swap") {
    facts.cgroup_version = 2;
    CHECK(entries(of(pod()).unified()) == std::map<std::string, std::string>{{"memory.oom.group", "1"}});
    facts.swap_controller = true;
    facts.single_process_oom_kill = true;
    CHECK(entries(of(pod()).unified()) == std::map<std::string, std::string>{{"memory.swap.max", "0"}});
  }
  SECTION("LimitedSwap") {
    facts.cgroup_version = 2;
    facts.swap_controller = true;
    facts.swap_bytes = 4LL << 30;
    facts.limited_swap = true;
    const auto swap = [&](const kube::Pod& p) { return of(p).unified().at("memory.swap.max"); };
    auto p = pod({container("a", resources({{"memory", "1Gi"}}))});
    CHECK(swap(p) == "536870912");  // an eighth of 4 GiB
    p.spec.priority = 2000000000;
    CHECK(swap(p) == "0");
    CHECK(swap(pod()) == "0");
    CHECK(swap(pod({container("a", resources({{"memory", "1Gi"}}), resources({{"memory", "1Gi"}}))})) == "0");
  }
  SECTION("cgroup v1 limits memory and swap together") {
    facts.swap_controller = true;
    CHECK(of(pod({container("a", {}, resources({{"memory", "1Gi"}}))})).memory_swap_limit_in_bytes() == 1LL << 30);
  }
}

TEST_CASE("sandbox resources are the pod's sums, and its overhead apart") {
  auto p = pod({container("a", resources({{"cpu", "1"}}), resources({{"cpu", "1"}, {"memory", "1Gi"}})),
                container("b", resources({{"cpu", "500m"}}))});
  p.spec.overhead = resources({{"cpu", "250m"}, {"memory", "64Mi"}});
  const auto facts = node();
  CHECK(sandbox_resources(p, facts).cpu_shares() == 1536);
  CHECK(sandbox_resources(p, facts).cpu_quota() == 100000);
  CHECK(sandbox_resources(p, facts).memory_limit_in_bytes() == 1LL << 30);
  CHECK(overhead_resources(p, facts).cpu_shares() == 256);
  CHECK(overhead_resources(p, facts).cpu_quota() == 25000);
  CHECK(overhead_resources(p, facts).memory_limit_in_bytes() == 64LL << 20);
}

struct Fixture {
  kube::Pod p = pod();
  NodeFacts facts = node();
  ContainerInput input{p, p.spec.containers.front(), facts, "sha256:abc", {}, 2, {}, {}, {}, "", "", "", {}};
  kube::Container& main() { return p.spec.containers.front(); }
  v1::ContainerConfig make() {
    auto made = make_container_config(input);
    REQUIRE(made);
    return std::move(*made);
  }
};

TEST_CASE_METHOD(Fixture, "the container's names, process and environment") {
  main().command = {"/bin/sh", "-c"};
  main().args = {"echo $(GREETING) $$HOME $(NONE)"};
  main().working_dir = "/srv";
  main().stdin_open = true;
  main().stdin_once = true;
  main().tty = true;
  input.environment = {{"GREETING", "hello"}, {"A", ""}};
  const auto got = make();
  CHECK(got.metadata().name() == "main");
  CHECK(got.metadata().attempt() == 2);
  CHECK(got.image().image() == "sha256:abc");
  CHECK(got.image().user_specified_image() == "busybox:1.36");
  CHECK(Strings(got.command().begin(), got.command().end()) == Strings{"/bin/sh", "-c"});
  CHECK(Strings(got.args().begin(), got.args().end()) == Strings{"echo hello $HOME $(NONE)"});
  CHECK(got.working_dir() == "/srv");
  REQUIRE(got.envs_size() == 2);
  CHECK(got.envs(0).key() == "A");
  CHECK(got.envs(0).value().empty());
  CHECK(got.envs(1).key() == "GREETING");
  CHECK(got.envs(1).value() == "hello");
  CHECK(got.log_path() == "main/2.log");
  CHECK(got.labels().at("io.kubernetes.container.name") == "main");
  CHECK(got.annotations().at("io.kubernetes.container.restartCount") == "2");
  CHECK(got.stdin());
  CHECK(got.stdin_once());
  CHECK(got.tty());
  CHECK(got.mounts_size() == 0);
  CHECK(got.linux().resources().cpu_shares() == 2);
  CHECK(got.linux().security_context().masked_paths_size() == 12);
}

TEST_CASE_METHOD(Fixture, "mounts and devices") {
  Mount data{"/vol/data", "data", true, true, Propagation::host_to_container, "", ""};
  Mount model{"", "/model", true, false, Propagation::none, "registry/model:1", "weights"};
  input.mounts = {data, model};
  input.etc_hosts = "/pods/u/etc-hosts";
  input.termination_log = "/pods/u/containers/main/0badcafe";
  input.devices = {{"/dev/loop0", "/dev/xvda", "r"}};
  const auto got = make();
  REQUIRE(got.mounts_size() == 4);
  CHECK(got.mounts(0).host_path() == "/vol/data");
  CHECK(got.mounts(0).container_path() == "/data");
  CHECK(got.mounts(0).readonly());
  CHECK(got.mounts(0).recursive_read_only());
  CHECK(got.mounts(0).propagation() == v1::PROPAGATION_HOST_TO_CONTAINER);
  CHECK(!got.mounts(0).has_image());
  CHECK(got.mounts(1).image().image() == "registry/model:1");
  CHECK(got.mounts(1).image_sub_path() == "weights");
  CHECK(got.mounts(1).host_path().empty());
  CHECK(got.mounts(2).host_path() == "/pods/u/etc-hosts");
  CHECK(got.mounts(2).container_path() == "/etc/hosts");
  CHECK(!got.mounts(2).readonly());
  CHECK(got.mounts(3).host_path() == "/pods/u/containers/main/0badcafe");
  CHECK(got.mounts(3).container_path() == "/dev/termination-log");
  REQUIRE(got.devices_size() == 1);
  CHECK(got.devices(0).host_path() == "/dev/loop0");
  CHECK(got.devices(0).container_path() == "/dev/xvda");
  CHECK(got.devices(0).permissions() == "r");

  input.mounts[0].container_path = "/etc/hosts";  // the pod brings its own
  main().termination_message_path.clear();
  CHECK(make().mounts_size() == 2);
}

TEST_CASE_METHOD(Fixture, "mounts follow the pod's user namespace") {
  p.spec.host_users = false;
  input.mounts = {{"/vol", "/data", false, false, Propagation::none, "", ""}};
  input.security.user_namespace_base = 65536;
  const auto got = make();
  REQUIRE(got.mounts(0).uidmappings_size() == 1);
  CHECK(got.mounts(0).uidmappings(0).host_id() == 65536);
  CHECK(got.mounts(0).gidmappings(0).length() == 65536);
  input.security.user_namespace_base.reset();
  const auto failed = make_container_config(input);
  REQUIRE(!failed);
  CHECK(failed.error().reason == "CreateContainerConfigError");
}

TEST_CASE_METHOD(Fixture, "runAsNonRoot stops the container") {
  main().security_context.emplace().run_as_non_root = true;
  input.image_user = {0, ""};
  const auto failed = make_container_config(input);
  REQUIRE(!failed);
  CHECK(failed.error().message ==
        "container has runAsNonRoot and image will run as root (pod: \"web_shop(11-22-33)\", container: main)");
}

TEST_CASE("mount propagation") {
  CHECK(parse_propagation("").value() == Propagation::none);
  CHECK(parse_propagation("None").value() == Propagation::none);
  CHECK(parse_propagation("HostToContainer").value() == Propagation::host_to_container);
  CHECK(parse_propagation("Bidirectional").value() == Propagation::bidirectional);
  CHECK(parse_propagation("Both").error().message == "invalid MountPropagation mode: \"Both\"");
}

}  // namespace
}  // namespace keelson::spec
