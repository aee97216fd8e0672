// What the builders need to know about this node: its size, its cgroups, its folders and its configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "kube/quantity.hpp"

namespace keelson::spec {

enum class CgroupDriver { cgroupfs, systemd };

// The node's resolver configuration; nameservers add up, the last search and options lines win (as resolv.conf(5)).
struct ResolvConf {
  std::vector<std::string> nameservers;
  std::vector<std::string> searches;
  std::vector<std::string> options;
  bool operator==(const ResolvConf&) const = default;
};

// Errc::invalid_argument for a nameserver line without an address.
Result<ResolvConf> parse_resolv_conf(std::string_view text);

struct NodeFacts {
  std::string name;
  std::vector<std::string> ips;  // the primary address first, at most one more of the other family

  // Sizes.
  std::int64_t cpu_millis = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t swap_bytes = 0;
  std::int64_t ephemeral_storage_bytes = 0;
  kube::ResourceList allocatable;           // what pods may use: cpu, memory, ephemeral-storage, hugepages-*, pods
  std::vector<std::string> hugepage_sizes;  // as cgroup files name them: "2MB", "1GB"

  // Cgroups.
  int cgroup_version = 2;  // 1 or 2
  CgroupDriver cgroup_driver = CgroupDriver::cgroupfs;
  std::string cgroup_root = "/";                          // kubepods lies below it; a cgroup name, not a path on disk
  std::filesystem::path cgroup_mount = "/sys/fs/cgroup";  // v1: holds one folder per controller
  bool swap_controller = false;                           // memory.swap.max or memory.memsw.* exists
  std::int64_t pod_pids_limit = -1;                       // podPidsLimit; <= 0: none
  bool cpu_cfs_quota = true;
  std::int64_t cpu_cfs_quota_period_us = 100000;
  std::optional<bool> single_process_oom_kill;  // unset: true on v1, false on v2, as upstream
  bool limited_swap = false;                    // memorySwap.swapBehavior: LimitedSwap

  // Folders.
  std::filesystem::path root_dir = "/var/lib/keelson";
  std::filesystem::path pod_log_dir = "/var/log/pods";
  std::filesystem::path container_log_dir = "/var/log/containers";

  // Network.
  std::vector<std::string> cluster_dns;
  std::string cluster_domain = "cluster.local";
  std::optional<ResolvConf> resolv_conf;  // unset: resolvConf is "", pods with the host's DNS ask the local machine
  std::string etc_hosts;                  // the node's own /etc/hosts, for pods on the host's network

  // Security.
  bool seccomp_default = false;
  bool apparmor = false;                            // the kernel enforces AppArmor
  bool supplemental_groups_policy = false;          // the runtime obeys supplementalGroupsPolicy
  bool stop_signals = false;                        // the runtime obeys lifecycle.stopSignal
  std::set<std::string> user_namespace_handlers;    // the runtime's handlers that have user namespaces; "": its default
  std::vector<std::string> thermal_throttle_paths;  // per-CPU sysfs folders that are masked beside the fixed list

  [[nodiscard]] bool kills_single_process() const { return single_process_oom_kill.value_or(cgroup_version == 1); }
};

// Where read_node_facts looks; tests point it at a fixture tree.
struct NodeFactsSources {
  std::filesystem::path proc = "/proc";
  std::filesystem::path sys = "/sys";
  std::filesystem::path cgroup_mount = "/sys/fs/cgroup";
  std::filesystem::path resolv_conf = "/etc/resolv.conf";  // empty: no resolver configuration is handed to pods
  std::filesystem::path etc_hosts = "/etc/hosts";
  std::filesystem::path root_dir = "/var/lib/keelson";  // its filesystem's size is the ephemeral storage
};

// NodeFacts with everything filled that the machine itself tells: sizes, allocatable = capacity (110 pods), cgroup
// version, huge page sizes, the lower-case host name, resolv.conf and hosts. Addresses, DNS servers and what the
// configuration says are the caller's to fill. Errors name the file.
Result<NodeFacts> read_node_facts(const NodeFactsSources& sources = {});

}  // namespace keelson::spec
