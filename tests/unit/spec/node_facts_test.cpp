#include "agent/spec/node_facts.hpp"

#include <catch2/catch.hpp>

#include "printing.hpp"
#include "temp_tree.hpp"

namespace keelson::spec {
namespace {

using test::TempTree;
using Strings = std::vector<std::string>;

TEST_CASE("parse_resolv_conf") {
  const auto got = parse_resolv_conf(
      "# comment\n; comment\n\nnameserver 1.1.1.1\n  nameserver\tfd00::1 trailing\nsearch old.example\n"
      "search a. b.c\noptions ndots:2\noptions timeout:1 rotate\ndomain ignored\n#nameserver 9.9.9.9\n");
  REQUIRE(got);
  CHECK(got->nameservers == Strings{"1.1.1.1", "fd00::1"});
  CHECK(got->searches == Strings{"a", "b.c"});
  CHECK(got->options == Strings{"timeout:1", "rotate"});
  CHECK(parse_resolv_conf("").value() == ResolvConf{});
  CHECK(parse_resolv_conf("nameserver\n").error().message == "nameserver line without an address");
}

struct Machine {
  TempTree tree;
  NodeFactsSources sources{tree.path("proc"),        tree.path("sys"),   tree.path("cgroup"),
                           tree.path("resolv.conf"), tree.path("hosts"), tree.path("var/lib/keelson")};
  Machine() {
    tree.write("proc/meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\nSwapTotal:       512 kB\n");
    tree.write("proc/self/cgroup", "0::/init.scope\n");
    tree.write("sys/devices/system/cpu/online", "0-2,5\n");
    tree.write("sys/devices/system/cpu/possible", "0-7\n");
    tree.make("sys/devices/system/cpu/cpu1/thermal_throttle");
    tree.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "3\n");
    tree.write("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n");
    tree.write("cgroup/cgroup.controllers", "cpu memory\n");
    tree.write("resolv.conf", "nameserver 9.9.9.9\n");
    tree.write("hosts", "127.0.0.1 localhost\n");
  }
};

TEST_CASE_METHOD(Machine, "read_node_facts reads the machine") {
  const auto got = read_node_facts(sources);
  REQUIRE(got);
  CHECK(!got->name.empty());
  CHECK(got->cpu_millis == 4000);
  CHECK(got->memory_bytes == 2048 * 1024);
  CHECK(got->swap_bytes == 512 * 1024);
  CHECK(got->ephemeral_storage_bytes > 0);
  CHECK(got->hugepage_sizes == Strings{"1GB", "2MB"});
  CHECK(got->allocatable.at("hugepages-2Mi").to_string() == "6Mi");
  CHECK(got->allocatable.at("hugepages-1Gi").to_string() == "0");
  CHECK(got->allocatable.at("cpu").to_string() == "4");
  CHECK(got->allocatable.at("memory").to_string() == "2Mi");
  CHECK(got->allocatable.at("pods").to_string() == "110");
  CHECK(got->cgroup_version == 2);
  CHECK(!got->swap_controller);
  CHECK(!got->kills_single_process());
  CHECK(got->resolv_conf == ResolvConf{{"9.9.9.9"}, {}, {}});
  CHECK(got->etc_hosts == "127.0.0.1 localhost\n");
  CHECK(got->thermal_throttle_paths == Strings{"/sys/devices/system/cpu/cpu1/thermal_throttle"});
  CHECK(got->root_dir == sources.root_dir);
}

TEST_CASE_METHOD(Machine, "cgroup versions and swap accounting") {
  tree.make("cgroup/init.scope");
  tree.write("cgroup/init.scope/memory.swap.max", "max\n");
  CHECK(read_node_facts(sources)->swap_controller);
  std::filesystem::remove(tree.path("cgroup/cgroup.controllers"));
  tree.write("cgroup/unified/cgroup.controllers", "");  // a hybrid node
  auto v1 = read_node_facts(sources);
  REQUIRE(v1);
  CHECK(v1->cgroup_version == 1);
  CHECK(!v1->swap_controller);
  CHECK(v1->kills_single_process());
  tree.write("cgroup/memory/memory.memsw.limit_in_bytes", "1\n");
  CHECK(read_node_facts(sources)->swap_controller);
}

TEST_CASE_METHOD(Machine, "a resolver configuration can be absent by intent, not by accident") {
  sources.resolv_conf.clear();
  CHECK(!read_node_facts(sources)->resolv_conf);
  sources.resolv_conf = tree.path("missing");
  const auto failed = read_node_facts(sources);
  REQUIRE(!failed);
  CHECK_THAT(failed.error().message, Catch::Contains("missing"));
}

TEST_CASE("this machine can be read") {
  NodeFactsSources sources;
  sources.resolv_conf.clear();
  const auto got = read_node_facts(sources);
  REQUIRE(got);
  CHECK(got->cpu_millis >= 1000);
  CHECK(got->memory_bytes > 0);
}

}  // namespace
}  // namespace keelson::spec
