#include "agent/daemon/facts.hpp"

#include "agent/daemon/node_address.hpp"
#include "base/strings.hpp"

namespace keelson::agent {

namespace {

Result<std::optional<EvictionThreshold>> threshold(const kube::StringMap& eviction_hard, const char* signal) {
  const auto it = eviction_hard.find(signal);
  if (it == eviction_hard.end()) return std::optional<EvictionThreshold>();
  auto value = parse_eviction_threshold(it->second);
  if (!value) return value.error().context(std::string("evictionHard[") + signal + "]");
  return std::optional(*value);
}

// Upstream's container_manager_linux.go does not start either when more is reserved than there is.
Result<void> set_allocatable(const Options& o, spec::NodeFacts& facts) {
  TRY(const auto config, resource_config(o));
  MachineSize size{.cpu_millis = facts.cpu_millis,
                   .memory_bytes = facts.memory_bytes,
                   .swap_bytes = facts.swap_bytes,
                   .ephemeral_storage_bytes = facts.ephemeral_storage_bytes,
                   .huge_pages = {}};
  for (const auto& [name, amount] : facts.allocatable) {
    if (name.starts_with("hugepages-")) size.huge_pages[name] = amount;
  }
  const auto capacity = node_capacity(config, size);
  CHECK_OK(check_reservations(config, capacity));
  facts.allocatable = node_allocatable(config, capacity);
  return {};
}

}  // namespace

Result<ResourceConfig> resource_config(const Options& o) {
  ResourceConfig out;
  out.max_pods = o.max_pods;
  out.pods_per_core = o.cluster.pods_per_core;
  out.system_reserved = o.cluster.system_reserved;
  out.kube_reserved = o.cluster.kube_reserved;
  TRY(out.memory_available, threshold(o.cluster.eviction_hard, "memory.available"));
  TRY(out.nodefs_available, threshold(o.cluster.eviction_hard, "nodefs.available"));
  return out;
}

Result<spec::NodeFacts> make_node_facts(const Options& o) {
  spec::NodeFactsSources sources;
  sources.resolv_conf = o.resolv_conf.value_or("");
  sources.root_dir = o.root_dir;
  TRY(auto facts, spec::read_node_facts(sources));
  if (!o.hostname_override.empty()) facts.name = to_lower(o.hostname_override);
  facts.ips = o.node_ips.empty() ? find_node_ips(facts.name, o.cluster.enabled()) : o.node_ips;
  facts.root_dir = o.root_dir;
  facts.pod_log_dir = o.pod_logs_dir;
  facts.container_log_dir = o.container_logs_dir;
  facts.cluster_dns = o.cluster_dns;
  facts.cluster_domain = o.cluster_domain;
  facts.cgroup_root = o.cgroup_root;
  facts.pod_pids_limit = o.pod_pids_limit;
  facts.cpu_cfs_quota = o.cpu_cfs_quota;
  facts.cpu_cfs_quota_period_us = o.cpu_cfs_quota_period_us;
  facts.seccomp_default = o.seccomp_default;
  facts.cgroup_driver = o.cgroup_driver == "systemd" ? spec::CgroupDriver::systemd : spec::CgroupDriver::cgroupfs;
  CHECK_OK(set_allocatable(o, facts));
  return facts;
}

}  // namespace keelson::agent
