#include <nlohmann/json.hpp>

#include "agent/config/effective.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using Json = nlohmann::json;

const char* local_mode(proxy::LocalMode mode) {
  switch (mode) {
    case proxy::LocalMode::cluster_cidr:
      return "ClusterCIDR";
    case proxy::LocalMode::node_cidr:
      return "NodeCIDR";
    case proxy::LocalMode::bridge_interface:
      return "BridgeInterface";
    case proxy::LocalMode::interface_name_prefix:
      return "InterfaceNamePrefix";
  }
  return "";
}

std::string address_text(const Result<BindAddress>& address) {
  if (!address) return {};
  const bool v6 = address->ip.find(':') != std::string::npos;
  return (v6 ? "[" + address->ip + "]" : address->ip) + ":" + std::to_string(address->port);
}

Json conntrack_json(const proxy::ConntrackLimits& c) {
  return {{"maxPerCore", c.max_per_core},
          {"min", c.min},
          {"tcpEstablishedTimeout", go_duration(c.tcp_established)},
          {"tcpCloseWaitTimeout", go_duration(c.tcp_close_wait)},
          {"tcpBeLiberal", c.tcp_be_liberal},
          {"udpTimeout", go_duration(c.udp)},
          {"udpStreamTimeout", go_duration(c.udp_stream)}};
}

}  // namespace

Json effective_proxy_config(const Options& options) {
  const proxy::ProxyConfig& p = options.proxy;
  const ProxyOptions& o = options.proxy_options;
  return {{"kind", "KubeProxyConfiguration"},
          {"apiVersion", "kubeproxy.config.k8s.io/v1alpha1"},
          {"bindAddress", o.bind_address},
          {"bindAddressHardFail", o.bind_hard_fail},
          {"healthzBindAddress", address_text(proxy_healthz_address(o))},
          {"metricsBindAddress", address_text(proxy_metrics_address(o))},
          {"hostnameOverride", options.hostname_override},
          {"clusterCIDR", join(p.cluster_cidrs, ",")},
          {"clientConnection", {{"kubeconfig", options.cluster.proxy_kubeconfig.string()}}},
          {"detectLocalMode", local_mode(p.detect_local_mode)},
          {"detectLocal", {{"bridgeInterface", p.bridge_interface}, {"interfaceNamePrefix", p.interface_name_prefix}}},
          {"nodePortAddresses", p.node_port_addresses},
          {"conntrack", conntrack_json(p.conntrack)},
          {"oomScoreAdj", o.oom_score_adj},
          {"iptables",
           {{"masqueradeAll", p.masquerade_all},
            {"masqueradeBit", p.masquerade_bit},
            {"localhostNodePorts", p.localhost_node_ports},
            {"syncPeriod", go_duration(p.sync_period)},
            {"minSyncPeriod", go_duration(p.min_sync_period)}}}};
}

}  // namespace keelson::agent
