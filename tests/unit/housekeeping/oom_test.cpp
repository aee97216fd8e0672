#include <catch2/catch.hpp>

#include "agent/housekeeping/oom_line.hpp"

using namespace keelson::agent;

namespace {

const std::string kId(64, 'a');

std::string record(const std::string& constraint, const std::string& cgroup, const std::string& prefix = "6,1,2,-;") {
  return prefix + "oom-kill:constraint=" + constraint + ",nodemask=(null),cpuset=" + kId +
         ",mems_allowed=0,oom_memcg=/kubepods,task_memcg=" + cgroup + ",task=stress,pid=4711,uid=0\n";
}

}  // namespace

TEST_CASE("a container's process that was killed", "[oom]") {
  const auto kill = parse_oom_record(record("CONSTRAINT_MEMCG", "/kubepods/burstable/pod1-2-3/" + kId));
  REQUIRE(kill.has_value());
  CHECK(*kill == OomKill{"stress", 4711, "/kubepods/burstable/pod1-2-3/" + kId, false});
  CHECK(owner_of_cgroup(kill->cgroup) == CgroupOwner{"1-2-3", kId});
}

TEST_CASE("a machine that is out of memory", "[oom]") {
  const auto kill = parse_oom_record(
      "3,9,9,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/"
      "system.slice/x.service,task=java,pid=12,uid=1000");
  REQUIRE(kill.has_value());
  CHECK(kill->system);
  CHECK(kill->process == "java");
  CHECK(owner_of_cgroup(kill->cgroup) == CgroupOwner{});
}

TEST_CASE("what others wrote into the log, and other records", "[oom]") {
  CHECK_FALSE(parse_oom_record(record("CONSTRAINT_NONE", "/", "14,1,2,-;")).has_value());
  CHECK_FALSE(parse_oom_record(record("CONSTRAINT_NONE", "/", "x,1,2,-;")).has_value());
  CHECK_FALSE(parse_oom_record("6,1,2,-;Out of memory: Killed process 1 (x)").has_value());
  CHECK_FALSE(parse_oom_record("6,1,2,-;oom-kill:constraint=CONSTRAINT_NONE,pid=none").has_value());
  CHECK_FALSE(parse_oom_record("").has_value());
}

TEST_CASE("whose a cgroup is", "[oom]") {
  CHECK(owner_of_cgroup("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2_3.slice/cri-containerd-" +
                        kId + ".scope") == CgroupOwner{"1-2-3", kId});
  CHECK(owner_of_cgroup("/kubepods/pod1-2-3") == CgroupOwner{"1-2-3", ""});
  CHECK(owner_of_cgroup("/a/" + kId) == CgroupOwner{});
}
