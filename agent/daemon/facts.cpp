#include "agent/daemon/facts.hpp"

#include "agent/daemon/node_address.hpp"
#include "base/strings.hpp"

namespace keelson::agent {

Result<spec::NodeFacts> make_node_facts(const Options& o) {
  spec::NodeFactsSources sources;
  sources.resolv_conf = o.resolv_conf.value_or("");
  sources.root_dir = o.root_dir;
  TRY(auto facts, spec::read_node_facts(sources));
  if (!o.hostname_override.empty()) facts.name = to_lower(o.hostname_override);
  facts.ips = o.node_ips.empty() ? find_node_ips() : o.node_ips;
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
  facts.allocatable["pods"] = kube::Quantity::of(o.max_pods);
  return facts;
}

}  // namespace keelson::agent
