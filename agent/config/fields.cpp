#include "agent/config/field_setters.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

Result<void> set_proxy_mode(const Json& v, Options& o) {
  TRY(const auto mode, as_string(v));
  TRY(o.proxy.mode, proxy::parse_proxy_mode(mode));
  return {};
}

Result<void> set_local_mode(const Json& v, Options& o) {
  static const std::map<std::string, proxy::LocalMode> kModes = {
      {"ClusterCIDR", proxy::LocalMode::cluster_cidr},
      {"NodeCIDR", proxy::LocalMode::node_cidr},
      {"BridgeInterface", proxy::LocalMode::bridge_interface},
      {"InterfaceNamePrefix", proxy::LocalMode::interface_name_prefix}};
  TRY(const auto name, as_string(v));
  const auto it = kModes.find(name.empty() ? "ClusterCIDR" : name);
  if (it == kModes.end()) {
    return make_error(Errc::invalid_argument, "one of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix");
  }
  o.proxy.detect_local_mode = it->second;
  return {};
}

Result<void> set_cluster_cidr(const Json& v, Options& o) {
  TRY(const auto cidrs, as_string(v));
  o.proxy.cluster_cidrs = cidrs.empty() ? std::vector<std::string>() : split(cidrs, ',');
  return {};
}

Result<void> set_cni_mode(const Json& v, Options& o) {
  static const std::map<std::string, CniMode> kModes = {
      {"agent", CniMode::agent}, {"runtime", CniMode::runtime}, {"auto", CniMode::automatic}};
  TRY(const auto name, as_string(v));
  const auto it = kModes.find(name);
  if (it == kModes.end()) return make_error(Errc::invalid_argument, "one of agent, runtime, auto");
  o.cni = it->second;
  return {};
}

Result<void> set_runtime_classes(const Json& v, Options& o) {
  if (!v.is_object()) return wrong_type("object of RuntimeClass names to handlers", v);
  for (const auto& [name, handler] : v.items()) {
    TRY(o.runtime_classes[name], as_string(handler));
  }
  return {};
}

Result<void> set_log_level(const Json& v, Options& o) {
  TRY(const auto name, as_string(v));
  TRY(o.log_level, parse_log_level(name));
  return {};
}

Result<void> set_log_format(const Json& v, Options& o) {
  TRY(const auto name, as_string(v));
  TRY(o.log_format, parse_log_format(name));
  return {};
}

// Empty means that somebody else decides: another document, a flag, the default.
template <class Place>
ApplyField text_if_any(Place place) {
  return [place](const Json& v, Options& o) -> Result<void> {
    TRY(auto value, as_string(v));
    if (!value.empty()) place(o) = std::move(value);
    return {};
  };
}

// Likewise 0.
template <class Place>
ApplyField duration_if_any(Place place) {
  return [place](const Json& v, Options& o) -> Result<void> {
    TRY(const auto value, as_duration(v));
    using Target = std::remove_reference_t<decltype(place(o))>;
    if (value > Nanoseconds(0)) place(o) = std::chrono::ceil<Target>(value);
    return {};
  };
}

template <class Place>
ApplyField bind_address(Place place, std::uint16_t default_port) {
  return [=](const Json& v, Options& o) -> Result<void> {
    TRY(auto value, as_string(v));
    if (!value.empty()) CHECK_OK(parse_bind_address(value, default_port));
    place(o) = std::move(value);
    return {};
  };
}

ConfigKind proxy_kind() {
  ConfigKind kind{"kubeproxy.config.k8s.io", {}, {}, true};
  kind.fields = {
      {"mode", set_proxy_mode},
      {"clusterCIDR", set_cluster_cidr},
      {"clientConnection.kubeconfig", text_if_any(AT(cluster.proxy_kubeconfig))},
      {"hostnameOverride", text_if_any(AT(hostname_override))},
      {"detectLocalMode", set_local_mode},
      {"detectLocal.bridgeInterface", text(AT(proxy.bridge_interface))},
      {"detectLocal.interfaceNamePrefix", text(AT(proxy.interface_name_prefix))},
      {"nodePortAddresses", texts(AT(proxy.node_port_addresses))},
      {"iptables.masqueradeAll", flag(AT(proxy.masquerade_all))},
      {"iptables.masqueradeBit", number(AT(proxy.masquerade_bit), 0, 31)},
      {"iptables.localhostNodePorts", flag(AT(proxy.localhost_node_ports))},
      {"iptables.syncPeriod", duration_if_any(AT(proxy.sync_period))},
      {"iptables.minSyncPeriod", duration_if_any(AT(proxy.min_sync_period))},
      {"bindAddress", bind_address(AT(proxy_options.bind_address), 0)},
      {"bindAddressHardFail", flag(AT(proxy_options.bind_hard_fail))},
      {"healthzBindAddress", bind_address(AT(proxy_options.healthz_address), kProxyHealthPort)},
      {"metricsBindAddress", bind_address(AT(proxy_options.metrics_address), kProxyMetricsPort)},
      {"oomScoreAdj", number(AT(proxy_options.oom_score_adj), -1000, 1000)},
      {"conntrack.maxPerCore", number(AT(proxy.conntrack.max_per_core), 0, kMax32)},
      {"conntrack.min", number(AT(proxy.conntrack.min), 0, kMax32)},
      {"conntrack.tcpEstablishedTimeout", duration(AT(proxy.conntrack.tcp_established))},
      {"conntrack.tcpCloseWaitTimeout", duration(AT(proxy.conntrack.tcp_close_wait))},
      {"conntrack.tcpBeLiberal", flag(AT(proxy.conntrack.tcp_be_liberal))},
      {"conntrack.udpTimeout", duration(AT(proxy.conntrack.udp))},
      {"conntrack.udpStreamTimeout", duration(AT(proxy.conntrack.udp_stream))},
      {"nftables.masqueradeAll", flag(AT(proxy.nftables.masquerade_all))},
      {"nftables.masqueradeBit", number(AT(proxy.nftables.masquerade_bit), 0, 31)},
      {"nftables.syncPeriod", duration_if_any(AT(proxy.nftables.sync_period))},
      {"nftables.minSyncPeriod", duration_if_any(AT(proxy.nftables.min_sync_period))},
  };
  kind.without_effect = {"clientConnection.acceptContentTypes",
                         "clientConnection.burst",
                         "clientConnection.contentType",
                         "clientConnection.qps",
                         "configSyncPeriod",
                         "enableProfiling",
                         "featureGates",
                         "ipvs",
                         "logging",
                         "portRange",
                         "showHiddenMetricsForVersion",
                         "windowsRunAsService",
                         "winkernel"};
  return kind;
}

ConfigKind keelson_kind() {
  ConfigKind kind{"keelson.io", {}, {}};
  kind.fields = {
      {"manifests", text(AT(manifests))},
      {"hostnameOverride", text(AT(hostname_override))},
      {"nodeIPs", texts(AT(node_ips))},
      {"rootDir", text(AT(root_dir))},
      {"socket", text(AT(socket))},
      {"containerLogsDir", text(AT(container_logs_dir))},
      {"runtimeClasses", set_runtime_classes},
      {"parallelPodStarts", number(AT(parallel_starts), 1, 1000)},
      {"cni.mode", set_cni_mode},
      {"cni.confDir", text(AT(cni_conf_dir))},
      {"cni.binDirs", texts(AT(cni_bin_dirs))},
      {"cni.socket", text(AT(cni_socket))},
      {"cni.installShim", text(AT(install_cni_shim))},
      {"proxy.enabled", flag(AT(proxy_enabled))},
      {"serviceCIDR", text(AT(service_cidr))},
      {"logLevel", set_log_level},
      {"logFormat", set_log_format},
  };
  return kind;
}

}  // namespace

const std::map<std::string, ConfigKind>& config_kinds() {
  static const std::map<std::string, ConfigKind> kinds = {{"KubeletConfiguration", kubelet_kind()},
                                                          {"KubeProxyConfiguration", proxy_kind()},
                                                          {"KeelsonConfiguration", keelson_kind()}};
  return kinds;
}

}  // namespace keelson::agent
