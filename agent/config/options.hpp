// Everything that can be set about the daemon, with its defaults. Filled in order: these defaults, the files of
// --config (config_file.hpp), the flags.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/cluster_options.hpp"
#include "agent/config/protection_options.hpp"
#include "agent/config/proxy_options.hpp"
#include "agent/images/pull_verification.hpp"
#include "base/log.hpp"
#include "proxy/config.hpp"

namespace keelson::agent {

enum class CniMode {
  agent,      // plugins are run by the agent; the runtime must have our shim
  runtime,    // the runtime runs them
  automatic,  // agent where the shim is installed in the runtime, else runtime
};

struct Options {
  // Sources.
  std::filesystem::path manifests;  // --manifests, staticPodPath; empty: none
  ClusterOptions cluster;           // the API server; beside it, the folder holds static pods

  // This node.
  std::string hostname_override;      // empty: the host's name
  std::vector<std::string> node_ips;  // empty: found
  std::filesystem::path root_dir = "/var/lib/keelson";
  std::filesystem::path socket = "/run/keelson/keelson.sock";
  std::filesystem::path pod_logs_dir = "/var/log/pods";
  std::filesystem::path container_logs_dir = "/var/log/containers";

  // Runtime.
  std::string runtime_endpoint = "unix:///run/containerd/containerd.sock";
  std::map<std::string, std::string> runtime_classes;  // RuntimeClass -> handler, beside those named as their handler
  unsigned parallel_starts = 4;  // pods that start at the same time: the best of 2, 4, 8, all on 2 cores (dev bench)
  unsigned parallel_pulls = 4;   // from one registry
  PullVerification pull_verification;
  std::filesystem::path credential_provider_config;   // file or folder; empty: there are no providers
  std::filesystem::path credential_provider_bin_dir;  // their programs
  double pull_qps = 5;                                // new pulls a second, all registries together; 0: no bound
  unsigned pull_burst = 10;

  // Pod network.
  CniMode cni = CniMode::automatic;
  std::filesystem::path cni_conf_dir = "/etc/cni/net.d";
  std::vector<std::filesystem::path> cni_bin_dirs = {"/opt/cni/bin", "/usr/lib/cni"};
  std::filesystem::path cni_socket = "/run/keelson/cni.sock";
  std::filesystem::path install_cni_shim;  // write the shim's conflist into this folder; empty: do not

  // Services.
  bool proxy_enabled = true;
  proxy::ProxyConfig proxy;
  ProxyOptions proxy_options;
  std::string service_cidr = "10.96.0.0/16";  // ClusterIPs of the manifest folder's Services; two with a comma between

  // DNS.
  std::vector<std::string> cluster_dns;
  std::string cluster_domain = "cluster.local";
  std::optional<std::filesystem::path> resolv_conf = "/etc/resolv.conf";  // none: pods get an empty one

  // Resources.
  std::string cgroup_driver;  // "cgroupfs" or "systemd"; empty: what the runtime says, else cgroupfs
  std::string cgroup_root = "/";
  std::int64_t max_pods = 110;
  std::int64_t pod_pids_limit = -1;
  bool cpu_cfs_quota = true;
  std::int64_t cpu_cfs_quota_period_us = 100000;
  bool seccomp_default = false;

  ProtectionOptions protection;

  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
};

// Checks what the single settings cannot tell by themselves. Errors name the flag or field.
Result<void> check_options(const Options& options);

}  // namespace keelson::agent
