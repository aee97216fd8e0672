#include "agent/spec/cgroups.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "printing.hpp"
#include "temp_tree.hpp"

namespace keelson::spec {
namespace {

using test::TempTree;

// A fixture tree shows what is written where; what the kernel makes of it is the node tier's to test.
struct Tree {
  TempTree tree;
  CgroupName burstable = pod_cgroup("/", Qos::burstable, "u-1");
  CgroupName guaranteed = pod_cgroup("/", Qos::guaranteed, "u-2");

  Tree() {
    tree.write("v2/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n");
    tree.write("v2/cgroup.subtree_control", "cpu memory\n");
    for (const char* name : {"cpu,cpuacct", "cpuset", "memory", "pids", "hugetlb", "systemd", "unified"}) {
      tree.make(std::string("v1/") + name);
    }
    std::filesystem::create_directory_symlink("cpu,cpuacct", tree.path("v1/cpu"));
    tree.write("v1/cpuset/cpuset.cpus", "0-3\n");
    tree.write("v1/cpuset/cpuset.mems", "0\n");
  }
  Cgroups v1(CgroupDriver driver = CgroupDriver::cgroupfs) { return {tree.path("v1"), 1, driver, "/"}; }
  Cgroups v2(CgroupDriver driver = CgroupDriver::cgroupfs) { return {tree.path("v2"), 2, driver, "/"}; }
};

const CgroupResources kAll{512, 50000, 100000, 1 << 20, 99, {{"2MB", 4096}}};

TEST_CASE_METHOD(Tree, "v2: a pod's cgroup, its controllers and its settings") {
  auto cgroups = v2();
  CHECK(!cgroups.exists(burstable));
  REQUIRE(cgroups.ensure_pod(burstable, kAll));
  CHECK(cgroups.exists(burstable));
  CHECK(tree.read("v2/cgroup.subtree_control") == "+cpuset +hugetlb +pids");  // the others are on
  const std::string dir = "v2/kubepods/burstable/podu-1/";
  CHECK(tree.read(dir + "cpu.weight") == "20");
  CHECK(tree.read(dir + "cpu.max") == "50000 100000");
  CHECK(tree.read(dir + "memory.max") == "1048576");
  CHECK(tree.read(dir + "pids.max") == "99");
  CHECK(tree.read(dir + "hugetlb.2MB.max") == "4096");
  CHECK(!tree.has(dir + "cpu.shares"));

  REQUIRE(cgroups.apply(burstable, {{}, -1, 100000, -1, {}, {}}));
  CHECK(tree.read(dir + "cpu.max") == "max 100000");
  CHECK(tree.read(dir + "memory.max") == "max");
  CHECK(tree.read(dir + "cpu.weight") == "20");
}

TEST_CASE_METHOD(Tree, "v2: what is unset is not written, and hugetlb only where it exists") {
  tree.write("v2/cgroup.controllers", "cpu memory pids\n");
  REQUIRE(v2().ensure_pod(guaranteed, {2, {}, {}, 0, {}, {{"2MB", 0}}}));
  const std::string dir = "v2/kubepods/podu-2/";
  CHECK(tree.read(dir + "cpu.weight") == "1");
  for (const char* file : {"cpu.max", "memory.max", "pids.max", "hugetlb.2MB.max"}) CHECK(!tree.has(dir + file));
}

TEST_CASE_METHOD(Tree, "v1: one cgroup per controller") {
  auto cgroups = v1();
  REQUIRE(cgroups.ensure_pod(burstable, kAll));
  CHECK(cgroups.exists(burstable));
  const std::string dir = "/kubepods/burstable/podu-1/";
  CHECK(tree.read("v1/cpu,cpuacct" + dir + "cpu.shares") == "512");
  CHECK(tree.read("v1/cpu,cpuacct" + dir + "cpu.cfs_quota_us") == "50000");
  CHECK(tree.read("v1/cpu,cpuacct" + dir + "cpu.cfs_period_us") == "100000");
  CHECK(tree.read("v1/memory" + dir + "memory.limit_in_bytes") == "1048576");
  CHECK(tree.read("v1/pids" + dir + "pids.max") == "99");
  CHECK(tree.read("v1/hugetlb" + dir + "hugetlb.2MB.limit_in_bytes") == "4096");
  CHECK(tree.read("v1/cpuset" + dir + "cpuset.cpus") == "0-3");
  CHECK(tree.read("v1/cpuset" + dir + "cpuset.mems") == "0");
  CHECK(tree.has("v1/systemd" + dir));
  CHECK(!tree.has("v1/unified/kubepods"));  // the runtime's
  CHECK(!tree.has("v1/memory" + dir + "cpu.shares"));
}

TEST_CASE_METHOD(Tree, "QoS cgroups") {
  REQUIRE(v1().ensure_qos({"2MB"}));
  REQUIRE(v1().ensure_qos({"2MB"}));  // again, as after a restart
  CHECK(tree.read("v1/cpu,cpuacct/kubepods/besteffort/cpu.shares") == "2");
  CHECK(!tree.has("v1/cpu,cpuacct/kubepods/burstable/cpu.shares"));
  CHECK(tree.read("v1/hugetlb/kubepods/burstable/hugetlb.2MB.limit_in_bytes") == "4611686018427387904");
  REQUIRE(v1().set_burstable_requests(1500));
  CHECK(tree.read("v1/cpu,cpuacct/kubepods/burstable/cpu.shares") == "1536");

  REQUIRE(v2().ensure_qos({}));
  CHECK(tree.read("v2/kubepods/besteffort/cpu.weight") == "1");
  REQUIRE(v2().set_burstable_requests(1000));
  CHECK(tree.read("v2/kubepods/burstable/cpu.weight") == "39");
}

TEST_CASE_METHOD(Tree, "settings need a cgroup") {
  const auto failed = v2().apply(burstable, kAll);
  REQUIRE(!failed);
  CHECK(failed.error().code == Errc::not_found);
  CHECK(failed.error().message == "cgroup /kubepods/burstable/podu-1 does not exist");
}

TEST_CASE_METHOD(Tree, "systemd's slices are left to the runtime, but set, listed and removed") {
  auto cgroups = v2(CgroupDriver::systemd);
  REQUIRE(cgroups.ensure_qos({"2MB"}));
  REQUIRE(cgroups.set_burstable_requests(1000));
  REQUIRE(cgroups.ensure_pod(burstable, kAll));
  CHECK(!tree.has("v2/kubepods.slice"));

  const std::string dir = "v2/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podu_1.slice";
  tree.make(dir + "/cri-containerd-x.scope");
  REQUIRE(cgroups.list_pods());
  CHECK(*cgroups.list_pods() == std::vector<PodCgroup>{{"u-1", burstable}});
  REQUIRE(cgroups.remove_pod(burstable));
  CHECK(!tree.has(dir));
  tree.make(dir);
  REQUIRE(cgroups.apply(burstable, kAll));
  CHECK(tree.read(dir + "/cpu.weight") == "20");
}

TEST_CASE_METHOD(Tree, "pods are found in every hierarchy and class, and removed from all of them") {
  tree.make("v1/memory/kubepods/burstable/podu-1/ctr/nested");
  tree.make("v1/unified/kubepods/burstable/podu-1");
  tree.make("v1/systemd/kubepods/podu-2");
  tree.make("v1/pids/kubepods/besteffort/podu-0");
  tree.make("v1/pids/kubepods/besteffort/other");
  tree.write("v1/pids/kubepods/besteffort/podfile", "not a folder");
  auto cgroups = v1();
  const auto found = cgroups.list_pods();
  REQUIRE(found);
  CHECK(*found == std::vector<PodCgroup>{
                      {"u-0", pod_cgroup("/", Qos::best_effort, "u-0")}, {"u-1", burstable}, {"u-2", guaranteed}});
  for (const auto& one : *found) REQUIRE(cgroups.remove_pod(one.name));
  CHECK(cgroups.list_pods()->empty());
  CHECK(tree.has("v1/memory/kubepods/burstable"));
  CHECK(tree.has("v1/pids/kubepods/besteffort/other"));
  CHECK(cgroups.remove_pod(burstable));  // once more is fine
}

TEST_CASE_METHOD(Tree, "what runs in a pod's cgroup is killed") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (;;) ::pause();
  }
  tree.write("v2/kubepods/burstable/podu-1/ctr/cgroup.procs", std::to_string(child) + "\n0\n");
  const auto killed = v2().kill_all(burstable);
  REQUIRE(killed);
  CHECK(*killed == 1);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
  CHECK(v2().kill_all(guaranteed).value() == 0);
}

TEST_CASE_METHOD(Tree, "a cgroup that cannot be removed is named") {
  tree.write("v2/kubepods/podu-2/held", "");
  const auto failed = v2().remove_pod(guaranteed);
  REQUIRE(!failed);
  CHECK(failed.error().code == Errc::unavailable);
  CHECK(failed.error().message == "remove cgroup /kubepods/podu-2: Directory not empty");
}

}  // namespace
}  // namespace keelson::spec
