// Where a pod's cgroup lies, for both cgroup drivers.
// Follows kubernetes pkg/kubelet/cm/cgroup_manager_linux.go and pod_container_manager_linux.go.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/spec/qos.hpp"

namespace keelson::spec {

// The driver-independent name: {"kubepods", "burstable", "podUID"}.
using CgroupName = std::vector<std::string>;

// cgroupfs: "/kubepods/burstable/podUID". systemd: every "-" becomes "_", and slices are spelled out:
// "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice". It is both the path below a cgroup
// mount and CRI's cgroup_parent.
[[nodiscard]] std::string cgroup_path(const CgroupName& name, CgroupDriver driver);

// {"kubepods"} below the node's cgroup root (a path such as "/" or "/a/b").
[[nodiscard]] CgroupName kubepods_cgroup(std::string_view cgroup_root);
[[nodiscard]] CgroupName qos_cgroup(std::string_view cgroup_root, Qos qos);
[[nodiscard]] CgroupName pod_cgroup(std::string_view cgroup_root, Qos qos, std::string_view uid);

// CRI's cgroup_parent for the pod.
[[nodiscard]] std::string cgroup_parent(const kube::Pod& pod, const NodeFacts& node);

// The uid in the last part of a pod cgroup's path ("podUID" or "kubepods-...-podUID.slice"), or nullopt.
[[nodiscard]] std::optional<std::string> pod_uid_of_cgroup(std::string_view last_component, CgroupDriver driver);

}  // namespace keelson::spec
