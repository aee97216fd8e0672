// The flags of `keelson run` and `keelson cleanup`, and how they come together with --config.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/config/options.hpp"

namespace CLI {
class App;
}

namespace keelson::agent {

// What was given on the command line; nothing where a flag was not.
struct RunFlags {
  std::vector<std::string> config;
  std::optional<std::string> manifests, endpoint, root_dir, hostname, cni_conf_dir, cni_mode, cni_socket, install_shim,
      socket, log_level, log_format, cluster_cidr, proxy_mode, service_cidr, pod_logs_dir, container_logs_dir,
      cluster_domain, cgroup_driver, kubeconfig, bootstrap_kubeconfig, cert_dir, provider_id, cloud_provider,
      credential_provider_config, credential_provider_bin_dir;
  std::vector<std::string> node_ips, cni_bin_dirs, cluster_dns, node_labels, taints;
  std::optional<unsigned> parallel_starts, parallel_pulls;
  bool no_proxy = false;
};

// Declares the flags on `command`; they write to `flags`.
void add_run_flags(CLI::App& command, RunFlags& flags);

// Defaults, then the files of --config, then the flags. Warnings of the files are returned. Errors name file or flag.
Result<Options> resolve_options(const RunFlags& flags, std::vector<std::string>& warnings);

}  // namespace keelson::agent
