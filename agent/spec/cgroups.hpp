// The thin shell that makes, sets and removes the QoS and pod cgroups, on cgroup v1 and v2.
// All calls block briefly (cgroupfs files; remove_pod up to about a third of a second): use the BlockingPool.
//
// With the systemd driver slices belong to systemd and are made by the runtime through cgroup_parent: the ensure_*
// calls then do nothing, because making a slice needs systemd's D-Bus API, which is not spoken here. Once the runtime
// has made it, apply() sets a pod slice's limits (systemd keeps them until the slice ends or is reloaded).
// Follows kubernetes pkg/kubelet/cm: cgroup_manager_linux.go, qos_container_manager_linux.go.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/spec/cgroup_name.hpp"
#include "agent/spec/qos.hpp"
#include "base/result.hpp"

namespace keelson::spec {

struct PodCgroup {
  std::string uid;
  CgroupName name;
  bool operator==(const PodCgroup&) const = default;
};

class Cgroups {
 public:
  // `mount`: /sys/fs/cgroup, or a fixture tree. v1: one folder below it per hierarchy.
  Cgroups(std::filesystem::path mount, int version, CgroupDriver driver, std::string cgroup_root);
  explicit Cgroups(const NodeFacts& node);

  // Makes kubepods, burstable and besteffort (2 shares, huge pages unlimited). Idempotent; to be called at start.
  Result<void> ensure_qos(const std::vector<std::string>& hugepage_sizes);
  // burstable's shares: those of the sum of its pods' CPU requests. To be called when the set of pods changes.
  Result<void> set_burstable_requests(std::int64_t milli_cpu);
  // Makes the pod's cgroup and applies the settings. Idempotent: a cgroup that exists only gets the settings.
  Result<void> ensure_pod(const CgroupName& name, const CgroupResources& resources);
  // Writes the settings; Errc::not_found where the cgroup does not exist.
  Result<void> apply(const CgroupName& name, const CgroupResources& resources);
  // Kills what still runs in it (also in containers' cgroups below), then removes it from every hierarchy, trying for
  // a while. A cgroup that is not there is success; one that stays busy is Errc::unavailable.
  Result<void> remove_pod(const CgroupName& name);
  // Sends SIGKILL to everything in the cgroup and below; the number of processes it was sent to.
  Result<int> kill_all(const CgroupName& name);

  [[nodiscard]] bool exists(const CgroupName& name) const;
  // Every pod cgroup on this node, in whatever hierarchy, for removing those whose pod is gone. Sorted by uid.
  Result<std::vector<PodCgroup>> list_pods() const;

 private:
  struct Hierarchy {
    std::filesystem::path dir;
    std::string controllers;  // v1: the folder's name, "cpu,cpuacct"; v2: empty
    bool create = true;       // false: only looked at when listing and removing
  };

  [[nodiscard]] std::vector<Hierarchy> hierarchies() const;
  [[nodiscard]] std::filesystem::path dir_in(const Hierarchy& hierarchy, const CgroupName& name) const;
  Result<void> make(const CgroupName& name);
  Result<void> make_in(const Hierarchy& hierarchy, const CgroupName& name);
  Result<void> write_v1(const Hierarchy& hierarchy, const std::filesystem::path& dir, const CgroupResources& resources);
  Result<void> write_v2(const std::filesystem::path& dir, const CgroupResources& resources);

  std::filesystem::path mount_;
  int version_;
  CgroupDriver driver_;
  std::string cgroup_root_;
};

}  // namespace keelson::spec
