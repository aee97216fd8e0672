#include "agent/cli/proxy_flags.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "agent/config/config_file.hpp"
#include "agent/config/fields.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using Json = nlohmann::json;

enum class Kind { text, list, boolean, number };

// A flag of kube-proxy and the field of KubeProxyConfiguration that it sets. (cmd/kube-proxy/app/options.go AddFlags)
struct FlagField {
  const char* flag;
  const char* field;
  Kind kind;
  const char* help;
};

constexpr FlagField kFlags[] = {
    {"--kubeconfig", "clientConnection.kubeconfig", Kind::text, "How to reach the API server [as a pod of it]"},
    {"--hostname-override", "hostnameOverride", Kind::text, "Name of this node [the host's name]"},
    {"--proxy-mode", "mode", Kind::text, "iptables or nftables [iptables]"},
    {"--bind-address", "bindAddress", Kind::text, "This node's primary address [of the Node]"},
    {"--bind-address-hard-fail", "bindAddressHardFail", Kind::boolean, "End when an address cannot be listened on"},
    {"--healthz-bind-address", "healthzBindAddress", Kind::text, "IP:PORT of the health check [0.0.0.0:10256]"},
    {"--metrics-bind-address", "metricsBindAddress", Kind::text, "IP:PORT of the metrics [127.0.0.1:10249]"},
    {"--oom-score-adj", "oomScoreAdj", Kind::number, "Of this process [-999]"},
    {"--cluster-cidr", "clusterCIDR", Kind::text, "Addresses of pods, one CIDR per family with a comma between"},
    {"--detect-local-mode", "detectLocalMode", Kind::text,
     "What tells local pods: ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix [ClusterCIDR]"},
    {"--pod-bridge-interface", "detectLocal.bridgeInterface", Kind::text, "For BridgeInterface"},
    {"--pod-interface-name-prefix", "detectLocal.interfaceNamePrefix", Kind::text, "For InterfaceNamePrefix"},
    {"--nodeport-addresses", "nodePortAddresses", Kind::list, "CIDRs whose addresses take NodePorts, or primary [all]"},
    {"--masquerade-all", "iptables.masqueradeAll", Kind::boolean, "Masquerade all that is sent to a ClusterIP"},
    {"--iptables-masquerade-bit", "iptables.masqueradeBit", Kind::number, "Bit of the packet mark [14]"},
    {"--iptables-localhost-nodeports", "iptables.localhostNodePorts", Kind::boolean, "NodePorts at 127.0.0.1 [true]"},
    {"--iptables-sync-period", "iptables.syncPeriod", Kind::text, "Longest time between two tries [30s]"},
    {"--iptables-min-sync-period", "iptables.minSyncPeriod", Kind::text, "Least time between two syncs [100ms]"},
    {"--conntrack-max-per-core", "conntrack.maxPerCore", Kind::number, "Tracked connections per core, 0: as it is"},
    {"--conntrack-min", "conntrack.min", Kind::number, "Tracked connections at least [131072]"},
    {"--conntrack-tcp-timeout-established", "conntrack.tcpEstablishedTimeout", Kind::text, "[24h]"},
    {"--conntrack-tcp-timeout-close-wait", "conntrack.tcpCloseWaitTimeout", Kind::text, "[1h]"},
    {"--conntrack-tcp-be-liberal", "conntrack.tcpBeLiberal", Kind::boolean, "Take packets out of window"},
    {"--conntrack-udp-timeout", "conntrack.udpTimeout", Kind::text, "[as it is]"},
    {"--conntrack-udp-timeout-stream", "conntrack.udpStreamTimeout", Kind::text, "[as it is]"},
};

constexpr const char* kIgnored[] = {"--config-sync-period",    "--feature-gates", "--kube-api-burst",
                                    "--kube-api-content-type", "--kube-api-qps",  "--show-hidden-metrics-for-version"};

Result<void> read_flag(const FlagField& flag, const std::string& text, Json& out) {
  out = text;
  if (flag.kind == Kind::list) out = text.empty() ? Json::array() : Json(split(text, ','));
  if (flag.kind == Kind::boolean) out = text == "true";
  if (flag.kind == Kind::number) out = Json::parse(text, nullptr, false);
  if (flag.kind == Kind::number && !out.is_number_integer()) {
    return make_error(Errc::invalid_argument, "expected an integer");
  }
  return {};
}

Result<void> apply_flags(const ProxyFlags& flags, Options& options) {
  const auto& fields = config_kinds().at("KubeProxyConfiguration").fields;
  for (const FlagField& flag : kFlags) {
    const auto given = flags.fields.find(flag.field);
    if (given == flags.fields.end()) continue;
    const std::string what = std::string(flag.flag) + " \"" + given->second + "\"";
    Json value;
    CHECK_OK(with_context(read_flag(flag, given->second, value), what));
    CHECK_OK(with_context(fields.at(flag.field)(value, options), what));
  }
  return {};
}

// klog's numbers: from 4 on there is more to see.
Result<void> apply_log_flags(const ProxyFlags& flags, Options& options) {
  if (flags.verbosity) options.log_level = *flags.verbosity >= "4" ? LogLevel::debug : LogLevel::info;
  if (flags.log_level) {
    TRY(options.log_level, parse_log_level(*flags.log_level));
  }
  if (flags.log_format) {
    TRY(options.log_format, parse_log_format(*flags.log_format));
  }
  return {};
}

}  // namespace

void add_proxy_flags(CLI::App& c, ProxyFlags& f) {
  c.add_option("--config", f.config, "File with a KubeProxyConfiguration; flags come before it");
  for (const FlagField& flag : kFlags) {
    auto store = [&f, field = flag.field](const std::string& value) { f.fields[field] = value; };
    if (flag.kind == Kind::boolean) {
      c.add_flag_function(
          flag.flag, [store](std::int64_t n) { store(n > 0 ? "true" : "false"); }, flag.help);
    } else {
      c.add_option_function<std::string>(flag.flag, store, flag.help);
    }
  }
  c.add_option("--master", f.api_server, "URL of the API server, in place of the kubeconfig's");
  c.add_flag("--cleanup", f.cleanup, "Remove all rules of every mode, and end");
  c.add_flag("--init-only", f.init_only, "Set what needs privilege, and end");
  c.add_option("--socket", f.socket, "Socket for `keelson explain service` [/run/keelson/proxy.sock]");
  c.add_option("--log-level", f.log_level, "trace, debug, info, warn, error [info]");
  c.add_option("--log-format", f.log_format, "text, json, journal [text]");
  c.add_option("-v,--v", f.verbosity, "As kube-proxy's; from 4 on debug");
  for (const char* name : kIgnored) {
    c.add_option_function<std::string>(
         name, [&f, name](const std::string& value) { f.ignored[name] = value; }, "Has no effect")
        ->group("");
  }
}

Result<ProxyRun> resolve_proxy_run(const ProxyFlags& flags, std::vector<std::string>& warnings) {
  ProxyRun run;
  run.api_server = flags.api_server;
  run.init_only = flags.init_only;
  run.options.proxy.kubelet_chains = false;  // they are the kubelet's, which runs beside
  for (const auto& file : flags.config) CHECK_OK(apply_config_file(file, run.options, warnings));
  CHECK_OK(apply_flags(flags, run.options));
  CHECK_OK(apply_log_flags(flags, run.options));
  if (flags.socket) run.options.proxy_options.socket = *flags.socket;
  for (const auto& [name, value] : flags.ignored) warnings.push_back(name + ": has no effect");
  return run;
}

}  // namespace keelson::agent
