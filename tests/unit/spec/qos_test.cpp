#include "agent/spec/qos.hpp"

#include <catch2/catch.hpp>

#include "agent/spec/cgroup_name.hpp"
#include "agent/spec/resources.hpp"
#include "builders.hpp"
#include "printing.hpp"

namespace keelson::spec {
namespace {

using namespace test;

const auto kBoth = resources({{"cpu", "500m"}, {"memory", "64Mi"}});

TEST_CASE("qos_class") {
  SECTION("none asks for anything") { CHECK(qos_class(pod()) == Qos::best_effort); }
  SECTION("zero amounts count as none") {
    CHECK(qos_class(pod({container("a", resources({{"cpu", "0"}}), resources({{"memory", "0"}}))})) ==
          Qos::best_effort);
  }
  SECTION("extended resources do not matter") {
    CHECK(qos_class(pod({container("a", resources({{"example.com/gpu", "1"}}))})) == Qos::best_effort);
  }
  SECTION("all limits equal the requests") {
    CHECK(qos_class(pod({container("a", kBoth, kBoth), container("b", kBoth, kBoth)})) == Qos::guaranteed);
  }
  SECTION("equal amounts in other words") {
    CHECK(qos_class(pod({container("a", resources({{"cpu", "0.5"}, {"memory", "64Mi"}}), kBoth)})) == Qos::guaranteed);
  }
  SECTION("limits alone, as a spec without defaults has them") {
    CHECK(qos_class(pod({container("a", {}, kBoth)})) == Qos::burstable);
  }
  SECTION("one container without limits") {
    CHECK(qos_class(pod({container("a", kBoth, kBoth), container("b")})) == Qos::burstable);
  }
  SECTION("an init container without limits") {
    auto p = pod({container("a", kBoth, kBoth)});
    p.spec.init_containers = {container("init")};
    CHECK(qos_class(p) == Qos::burstable);
  }
  SECTION("memory only") {
    const auto memory = resources({{"memory", "64Mi"}});
    CHECK(qos_class(pod({container("a", memory, memory)})) == Qos::burstable);
  }
  SECTION("pod-level resources decide alone") {
    auto p = pod({container("a", resources({{"cpu", "1"}}))});
    p.spec.resources.emplace();
    p.spec.resources->requests = kBoth;
    p.spec.resources->limits = kBoth;
    CHECK(qos_class(p) == Qos::guaranteed);
    p.spec.resources->limits.erase("cpu");
    CHECK(qos_class(p) == Qos::burstable);
  }
  CHECK(to_string(Qos::guaranteed) == "Guaranteed");
  CHECK(to_string(Qos::burstable) == "Burstable");
  CHECK(to_string(Qos::best_effort) == "BestEffort");
}

TEST_CASE("shares, quota and weight") {
  CHECK(cpu_shares(0) == 2);
  CHECK(cpu_shares(1) == 2);
  CHECK(cpu_shares(2) == 2);
  CHECK(cpu_shares(10) == 10);
  CHECK(cpu_shares(250) == 256);
  CHECK(cpu_shares(1000) == 1024);
  CHECK(cpu_shares(256000) == 262144);
  CHECK(cpu_shares(INT64_MAX) == 262144);

  CHECK(cpu_quota(0, 100000) == 0);
  CHECK(cpu_quota(1, 100000) == 1000);
  CHECK(cpu_quota(10, 100000) == 1000);
  CHECK(cpu_quota(250, 100000) == 25000);
  CHECK(cpu_quota(1500, 100000) == 150000);
  CHECK(cpu_quota(500, 5000) == 2500);

  CHECK(cpu_weight(2) == 1);
  CHECK(cpu_weight(1024) == 39);
  CHECK(cpu_weight(512) == 20);
  CHECK(cpu_weight(262144) == 10000);

  CHECK(shares_to_milli_cpu(2) == 2);
  CHECK(shares_to_milli_cpu(1) == 0);
  CHECK(shares_to_milli_cpu(102) == 100);
  CHECK(shares_to_milli_cpu(1024) == 1000);
  CHECK(quota_to_milli_cpu(-1, 100000) == 0);
  CHECK(quota_to_milli_cpu(25000, 100000) == 250);
  CHECK(quota_to_milli_cpu(25000, 0) == 0);
}

TEST_CASE("pod sums follow the order in which containers run") {
  auto p = pod({container("a", resources({{"cpu", "100m"}, {"memory", "100Mi"}})),
                container("b", resources({{"cpu", "200m"}}))});
  CHECK(cpu_millis(pod_requests(p)) == 300);

  p.spec.init_containers = {container("big", resources({{"cpu", "250m"}}))};
  CHECK(cpu_millis(pod_requests(p)) == 300);  // it runs alone, and needs less
  p.spec.init_containers = {container("big", resources({{"cpu", "700m"}}))};
  CHECK(cpu_millis(pod_requests(p)) == 700);
  p.spec.init_containers = {sidecar("s1", resources({{"cpu", "50m"}})), container("big", resources({{"cpu", "700m"}})),
                            sidecar("s2", resources({{"cpu", "60m"}}))};
  CHECK(cpu_millis(pod_requests(p)) == 750);  // big beside s1 only
  p.spec.init_containers[1] = container("small", resources({{"cpu", "10m"}}));
  CHECK(cpu_millis(pod_requests(p)) == 410);  // a + b + s1 + s2
  CHECK(memory_bytes(pod_requests(p)) == 100LL << 20);

  p.spec.overhead = resources({{"cpu", "5m"}, {"memory", "1Mi"}});
  CHECK(cpu_millis(pod_requests(p)) == 415);
  CHECK(cpu_millis(pod_requests(p, Overhead::exclude)) == 410);
  CHECK(pod_limits(p).empty());  // overhead makes no limit where there is none

  p.spec.resources.emplace().requests = resources({{"cpu", "2"}, {"example.com/gpu", "1"}});
  CHECK(cpu_millis(pod_requests(p)) == 2005);
  CHECK(amount_of(pod_requests(p), "example.com/gpu").is_zero());
  CHECK(cpu_millis(container_requests(p)) == 410);
}

TEST_CASE("pod limits with overhead") {
  auto p = pod({container("a", {}, resources({{"memory", "10Mi"}}))});
  p.spec.overhead = resources({{"cpu", "5m"}, {"memory", "1Mi"}});
  CHECK(memory_bytes(pod_limits(p)) == 11LL << 20);
  CHECK(memory_bytes(pod_limits(p, Overhead::exclude)) == 10LL << 20);
  CHECK(cpu_millis(pod_limits(p)) == 0);
}

TEST_CASE("pod_cgroup_resources by class") {
  auto facts = node();
  SECTION("BestEffort has the least shares and no limits") {
    CHECK(pod_cgroup_resources(pod(), facts) == CgroupResources{2, {}, {}, {}, {}, {{"2MB", 0}}});
  }
  SECTION("Guaranteed has all") {
    CHECK(pod_cgroup_resources(pod({container("a", kBoth, kBoth)}), facts) ==
          CgroupResources{512, 50000, 100000, 64LL << 20, {}, {{"2MB", 0}}});
  }
  SECTION("Burstable where every container has the limit") {
    const auto p =
        pod({container("a", resources({{"cpu", "100m"}}), kBoth), container("b", {}, resources({{"cpu", "1"}}))});
    CHECK(pod_cgroup_resources(p, facts) == CgroupResources{102, 150000, 100000, {}, {}, {{"2MB", 0}}});
  }
  SECTION("Burstable with an init container without limits") {
    auto p = pod({container("a", resources({{"cpu", "100m"}}), kBoth)});
    p.spec.init_containers = {container("init")};
    CHECK(pod_cgroup_resources(p, facts) == CgroupResources{102, {}, {}, {}, {}, {{"2MB", 0}}});
  }
  SECTION("a pod-level limit binds although containers have none") {
    auto p = pod({container("a", resources({{"cpu", "100m"}}))});
    p.spec.resources.emplace().limits = resources({{"memory", "32Mi"}});
    const auto got = pod_cgroup_resources(p, facts);
    CHECK(got.memory_bytes == 32LL << 20);
    CHECK(!got.cpu_quota_us);
  }
  SECTION("podPidsLimit, no CFS quota, huge pages") {
    facts.pod_pids_limit = 100;
    facts.cpu_cfs_quota = false;
    auto both = kBoth;
    both["hugepages-2Mi"] = quantity("4Mi");
    const auto got = pod_cgroup_resources(pod({container("a", both, both)}), facts);
    CHECK(got.pids == 100);
    CHECK(got.cpu_quota_us == -1);
    CHECK(got.hugepage_bytes == std::map<std::string, std::int64_t>{{"2MB", 4 << 20}});
  }
}

TEST_CASE("hugepage_size_label") {
  CHECK(hugepage_size_label("hugepages-2Mi") == "2MB");
  CHECK(hugepage_size_label("hugepages-1Gi") == "1GB");
  CHECK(hugepage_size_label("hugepages-64Ki") == "64KB");
  CHECK(hugepage_size_label("memory").empty());
  CHECK(hugepage_size_label("hugepages-x").empty());
  CHECK(hugepage_size_label("hugepages-0").empty());
}

TEST_CASE("oom_score_adj") {
  const auto facts = node();  // 8 GiB
  const auto score = [&](const kube::Pod& p) { return oom_score_adj(p, p.spec.containers.front(), facts); };
  CHECK(score(pod()) == 1000);
  CHECK(score(pod({container("a", kBoth, kBoth)})) == -997);
  CHECK(score(pod({container("a", resources({{"memory", "2Gi"}}))})) == 750);
  CHECK(score(pod({container("a", resources({{"memory", "1"}}))})) == 999);  // below every BestEffort one
  CHECK(score(pod({container("a", resources({{"memory", "8Gi"}}))})) == 3);  // above any Guaranteed one
  CHECK(score(pod({container("a", resources({{"memory", "7Ei"}}))})) == 3);  // beyond 64-bit arithmetic

  auto critical = pod();
  critical.spec.priority_class_name = "system-node-critical";
  CHECK(score(critical) == 1000);  // the name alone is not enough
  critical.spec.priority = 2000001000;
  CHECK(score(critical) == -997);

  auto with_sidecar =
      pod({container("a", resources({{"memory", "4Gi"}})), container("b", resources({{"memory", "2Gi"}}))});
  with_sidecar.spec.init_containers = {sidecar("s", resources({{"memory", "1Gi"}}))};
  CHECK(oom_score_adj(with_sidecar, with_sidecar.spec.init_containers[0], facts) == 750);  // b's, not its own 875

  auto pod_level = pod({container("a", resources({{"memory", "1Gi"}})), container("b")});
  pod_level.spec.resources.emplace().requests = resources({{"memory", "3Gi"}});
  CHECK(score(pod_level) == 750);  // its own 1 GiB and half of the 2 GiB that nobody claims
}

TEST_CASE("critical pods") {
  auto p = pod();
  CHECK(!is_critical_pod(p));
  p.spec.priority = 1999999999;
  CHECK(!is_critical_pod(p));
  p.spec.priority = 2000000000;
  CHECK(is_critical_pod(p));
  p.spec.priority.reset();
  p.metadata.annotations = {{"kubernetes.io/config.source", "api"}};
  CHECK(!is_critical_pod(p));
  p.metadata.annotations = {{"kubernetes.io/config.source", "file"}};
  CHECK(is_critical_pod(p));
  p.metadata.annotations = {{"kubernetes.io/config.mirror", "x"}};
  CHECK(is_critical_pod(p));
}

TEST_CASE("cgroup names for both drivers") {
  struct Case {
    Qos qos;
    const char* root;
    const char* cgroupfs;
    const char* systemd;
  };
  const Case cases[] = {
      {Qos::guaranteed, "/", "/kubepods/pod11-22", "/kubepods.slice/kubepods-pod11_22.slice"},
      {Qos::burstable, "/", "/kubepods/burstable/pod11-22",
       "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod11_22.slice"},
      {Qos::best_effort, "", "/kubepods/besteffort/pod11-22",
       "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod11_22.slice"},
      {Qos::guaranteed, "/a-b/c", "/a-b/c/kubepods/pod11-22",
       "/a_b.slice/a_b-c.slice/a_b-c-kubepods.slice/a_b-c-kubepods-pod11_22.slice"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.cgroupfs);
    const auto name = pod_cgroup(c.root, c.qos, "11-22");
    CHECK(cgroup_path(name, CgroupDriver::cgroupfs) == c.cgroupfs);
    CHECK(cgroup_path(name, CgroupDriver::systemd) == c.systemd);
  }
  CHECK(cgroup_path({}, CgroupDriver::systemd) == "/");

  auto facts = node();
  CHECK(cgroup_parent(pod(), facts) == "/kubepods/besteffort/pod11-22-33");
  facts.cgroup_driver = CgroupDriver::systemd;
  CHECK(cgroup_parent(pod(), facts) ==
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod11_22_33.slice");
}

TEST_CASE("pod_uid_of_cgroup") {
  using D = CgroupDriver;
  CHECK(pod_uid_of_cgroup("pod11-22", D::cgroupfs) == "11-22");
  CHECK(!pod_uid_of_cgroup("burstable", D::cgroupfs));
  CHECK(!pod_uid_of_cgroup("pod", D::cgroupfs));
  CHECK(pod_uid_of_cgroup("kubepods-burstable-pod11_22.slice", D::systemd) == "11-22");
  CHECK(!pod_uid_of_cgroup("kubepods-burstable.slice", D::systemd));
  CHECK(!pod_uid_of_cgroup("pod11-22", D::systemd));
}

}  // namespace
}  // namespace keelson::spec
