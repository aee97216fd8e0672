#include "agent/cli/run_flags.hpp"

#include <CLI/CLI.hpp>

#include "agent/config/config_file.hpp"
#include "agent/node/node_flags.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

template <class Target>
void take(const std::optional<std::string>& flag, Target& target) {
  if (flag) target = *flag;
}

Result<CniMode> parse_cni_mode(const std::string& name) {
  if (name == "agent") return CniMode::agent;
  if (name == "runtime") return CniMode::runtime;
  if (name == "auto") return CniMode::automatic;
  return make_error(Errc::invalid_argument, "--cni \"" + name + "\": one of agent, runtime, auto");
}

// A flag may be given several times, or hold several values with commas between.
std::vector<std::string> flatten(const std::vector<std::string>& values) {
  std::vector<std::string> out;
  for (const auto& value : values) {
    for (auto& part : split(value, ',')) out.push_back(std::move(part));
  }
  return out;
}

Result<void> apply_node_flags(const RunFlags& f, ClusterOptions& o) {
  if (!f.node_labels.empty()) {
    TRY(o.node_labels, parse_node_labels(join(f.node_labels, ",")));
  }
  if (!f.taints.empty()) {
    TRY(o.taints, parse_taints(join(f.taints, ",")));
  }
  if (f.cloud_provider && *f.cloud_provider != "external" && !f.cloud_provider->empty()) {
    return make_error(Errc::invalid_argument, "--cloud-provider \"" + *f.cloud_provider + "\": external or nothing");
  }
  o.external_cloud = f.cloud_provider && *f.cloud_provider == "external";
  return {};
}

Result<void> apply_flags(const RunFlags& f, Options& o) {
  take(f.manifests, o.manifests);
  take(f.endpoint, o.runtime_endpoint);
  take(f.credential_provider_config, o.credential_provider_config);
  take(f.credential_provider_bin_dir, o.credential_provider_bin_dir);
  take(f.root_dir, o.root_dir);
  take(f.hostname, o.hostname_override);
  take(f.cni_conf_dir, o.cni_conf_dir);
  take(f.cni_socket, o.cni_socket);
  take(f.install_shim, o.install_cni_shim);
  take(f.socket, o.socket);
  take(f.service_cidr, o.service_cidr);
  take(f.pod_logs_dir, o.pod_logs_dir);
  take(f.container_logs_dir, o.container_logs_dir);
  take(f.cluster_domain, o.cluster_domain);
  take(f.cgroup_driver, o.cgroup_driver);
  take(f.kubeconfig, o.cluster.kubeconfig);
  take(f.bootstrap_kubeconfig, o.cluster.bootstrap_kubeconfig);
  take(f.cert_dir, o.cluster.cert_dir);
  take(f.provider_id, o.cluster.provider_id);
  CHECK_OK(apply_node_flags(f, o.cluster));
  if (f.cni_mode) {
    TRY(o.cni, parse_cni_mode(*f.cni_mode));
  }
  if (f.log_level) {
    TRY(o.log_level, parse_log_level(*f.log_level));
  }
  if (f.log_format) {
    TRY(o.log_format, parse_log_format(*f.log_format));
  }
  if (f.proxy_mode) {
    TRY(o.proxy.mode, proxy::parse_proxy_mode(*f.proxy_mode));
  }
  if (f.cluster_cidr) o.proxy.cluster_cidrs = split(*f.cluster_cidr, ',');
  if (!f.node_ips.empty()) o.node_ips = flatten(f.node_ips);
  if (!f.cluster_dns.empty()) o.cluster_dns = flatten(f.cluster_dns);
  if (!f.cni_bin_dirs.empty()) {
    const auto dirs = flatten(f.cni_bin_dirs);
    o.cni_bin_dirs.assign(dirs.begin(), dirs.end());
  }
  if (f.parallel_starts) o.parallel_starts = *f.parallel_starts;
  if (f.parallel_pulls) o.parallel_pulls = *f.parallel_pulls;
  if (f.no_proxy) o.proxy_enabled = false;
  return {};
}

}  // namespace

void add_run_flags(CLI::App& c, RunFlags& f) {
  const auto* general = "General";
  c.add_option(
       "--config", f.config,
       "File with KubeletConfiguration, KubeProxyConfiguration and KeelsonConfiguration documents; may be repeated")
      ->group(general);
  c.add_option("--root-dir", f.root_dir, "State: pods, volumes, attachments [/var/lib/keelson]")->group(general);
  c.add_option("--socket", f.socket, "Socket that the other commands ask [/run/keelson/keelson.sock]")
      ->envname("KEELSON_SOCKET")
      ->group(general);
  c.add_option("--hostname-override", f.hostname, "Name of this node [the host's name]")->group(general);
  c.add_option("--node-ip", f.node_ips, "Address of this node, one per family [of the default route]")->group(general);
  c.add_option("--log-level", f.log_level, "trace, debug, info, warn, error [info]")->group(general);
  c.add_option("--log-format", f.log_format, "text, json, journal [text]")->group(general);

  const auto* cluster = "Cluster";
  c.add_option("--kubeconfig", f.kubeconfig,
               "How to reach the API server whose pods this node runs; written when bootstrapped")
      ->group(cluster);
  c.add_option("--bootstrap-kubeconfig", f.bootstrap_kubeconfig, "Credentials to ask for the node's own with")
      ->group(cluster);
  c.add_option("--cert-dir", f.cert_dir, "The node's certificates [ROOT/pki]")->group(cluster);
  c.add_option("--node-labels", f.node_labels, "KEY=VALUE,... to register the node with")->group(cluster);
  c.add_option("--register-with-taints", f.taints, "KEY=VALUE:EFFECT,... to register the node with")->group(cluster);
  c.add_option("--provider-id", f.provider_id, "The node's identity at its cloud")->group(cluster);
  c.add_option("--cloud-provider", f.cloud_provider, "external: wait for the cloud's controller to complete the node")
      ->group(cluster);

  const auto* runtime = "Container runtime";
  c.add_option("--container-runtime-endpoint", f.endpoint, "CRI socket [unix:///run/containerd/containerd.sock]")
      ->group(runtime);
  c.add_option("--cgroup-driver", f.cgroup_driver, "cgroupfs or systemd [what the runtime says, else cgroupfs]")
      ->check(CLI::IsMember({"cgroupfs", "systemd"}))
      ->group(runtime);
  c.add_option("--pod-logs-dir", f.pod_logs_dir, "Logs of containers [/var/log/pods]")->group(runtime);
  c.add_option("--container-logs-dir", f.container_logs_dir, "Links to the logs [/var/log/containers]")->group(runtime);
  c.add_option("--parallel-pod-starts", f.parallel_starts, "Pods that start at the same time [4]")
      ->check(CLI::Range(1, 1000))
      ->group(runtime);
  c.add_option("--max-parallel-image-pulls", f.parallel_pulls, "Image pulls at the same time [4]")
      ->check(CLI::Range(1, 1000))
      ->group(runtime);
  c.add_option("--image-credential-provider-config", f.credential_provider_config,
               "CredentialProviderConfig, a file or a folder of them: programs to ask for registry credentials")
      ->group(runtime);
  c.add_option("--image-credential-provider-bin-dir", f.credential_provider_bin_dir, "Those programs")->group(runtime);

  const auto* network = "Pod network";
  c.add_option("--cni", f.cni_mode,
               "Who runs the CNI plugins: agent, runtime, or auto (agent where the shim is installed) [auto]")
      ->group(network);
  c.add_option("--cni-conf-dir", f.cni_conf_dir, "Network configurations [/etc/cni/net.d]")->group(network);
  c.add_option("--cni-bin-dir", f.cni_bin_dirs, "CNI plugins; may be repeated [/opt/cni/bin,/usr/lib/cni]")
      ->group(network);
  c.add_option("--cni-socket", f.cni_socket, "Socket that the shim calls [/run/keelson/cni.sock]")->group(network);
  c.add_option("--install-cni-shim", f.install_shim,
               "Write the shim's configuration into this folder, the runtime's CNI conf dir")
      ->group(network);

  const auto* services = "Services and DNS";
  c.add_option("--service-cidr", f.service_cidr,
               "ClusterIPs for the folder's Services, a range per family with a comma between [10.96.0.0/16]")
      ->group(services);
  c.add_option("--cluster-cidr", f.cluster_cidr, "Pod addresses; traffic from elsewhere to a ClusterIP is masqueraded")
      ->group(services);
  c.add_option("--cluster-dns", f.cluster_dns, "DNS server of pods; without it Service names are put into /etc/hosts")
      ->group(services);
  c.add_option("--cluster-domain", f.cluster_domain, "[cluster.local]")->group(services);
  c.add_option("--proxy-mode", f.proxy_mode, "How Services get into the kernel: iptables or nftables [iptables]")
      ->group(services);
  c.add_flag("--no-proxy", f.no_proxy, "Leave Services to somebody else: write no rules")->group(services);
}

Result<Options> resolve_options(const RunFlags& flags, std::vector<std::string>& warnings) {
  Options options;
  for (const auto& file : flags.config) CHECK_OK(apply_config_file(file, options, warnings));
  CHECK_OK(apply_flags(flags, options));
  return options;
}

}  // namespace keelson::agent
