#include "agent/config/effective.hpp"

#include <nlohmann/json.hpp>

namespace keelson::agent {
namespace {

using Json = nlohmann::json;

std::string digits(std::int64_t whole, std::int64_t fraction, int width) {
  std::string out = std::to_string(whole);
  if (fraction == 0) return out;
  std::string tail = std::to_string(fraction);
  tail.insert(0, static_cast<std::size_t>(width) - tail.size(), '0');
  tail.erase(tail.find_last_not_of('0') + 1);
  return out + "." + tail;
}

Json texts_of(const kube::ResourceList& list) {
  Json out = Json::object();
  for (const auto& [name, amount] : list) out[name] = amount.to_string();
  return out;
}

Json taints_of(const std::vector<kube::Taint>& taints) {
  Json out = Json::array();
  for (const auto& t : taints) {
    out.push_back({{"key", t.key}, {"effect", t.effect}});
    if (!t.value.empty()) out.back()["value"] = t.value;
  }
  return out;
}

std::string policy_name(PullVerification::Policy policy) {
  for (const auto& [text, value] : kPullPolicies) {
    if (value == policy) return text;
  }
  return {};
}

Json serving_json(const ServingOptions& o) {
  Json authentication = {{"anonymous", {{"enabled", o.anonymous}}},
                         {"webhook", {{"enabled", o.token_webhook}, {"cacheTTL", go_duration(o.token_ttl)}}},
                         {"x509", Json::object()}};
  if (!o.client_ca_file.empty()) authentication["x509"]["clientCAFile"] = o.client_ca_file.string();
  return {{"enableServer", o.enabled},
          {"address", o.address},
          {"port", o.port},
          {"healthzBindAddress", o.healthz_address},
          {"healthzPort", o.healthz_port},
          {"tlsCertFile", o.cert_file.string()},
          {"tlsPrivateKeyFile", o.key_file.string()},
          {"tlsMinVersion", o.tls_min_version},
          {"tlsCipherSuites", o.tls_cipher_suites},
          {"serverTLSBootstrap", o.tls_bootstrap},
          {"authentication", std::move(authentication)},
          {"authorization",
           {{"mode", o.always_allow ? "AlwaysAllow" : "Webhook"},
            {"webhook",
             {{"cacheAuthorizedTTL", go_duration(o.allow_ttl)}, {"cacheUnauthorizedTTL", go_duration(o.deny_ttl)}}}}},
          {"enableDebuggingHandlers", o.debugging_handlers},
          {"enableSystemLogHandler", o.system_log_handler},
          {"enableDebugFlagsHandler", o.debug_flags_handler},
          {"enableSystemLogQuery", false},
          {"enableProfilingHandler", false},
          {"streamingConnectionIdleTimeout", "4h0m0s"}};
}

Json node_json(const ClusterOptions& o) {
  return {{"rotateCertificates", o.rotate_certificates},
          {"registerNode", o.register_node},
          {"registerWithTaints", taints_of(o.taints)},
          {"providerID", o.provider_id},
          {"systemReserved", texts_of(o.system_reserved)},
          {"kubeReserved", texts_of(o.kube_reserved)},
          {"evictionHard", o.eviction_hard},
          {"podsPerCore", o.pods_per_core},
          {"nodeStatusMaxImages", o.max_images},
          {"nodeStatusUpdateFrequency", go_duration(o.status_update)},
          {"nodeStatusReportFrequency", go_duration(o.status_report)},
          {"nodeLeaseDurationSeconds", o.lease_seconds},
          {"volumeStatsAggPeriod", go_duration(o.volume_stats_period)},
          {"allowedUnsafeSysctls", o.allowed_sysctls},
          {"enableControllerAttachDetach", true},
          {"configMapAndSecretChangeDetectionStrategy", "Watch"}};
}

Json pods_json(const Options& o) {
  return {{"staticPodPath", o.manifests.string()},
          {"containerRuntimeEndpoint", o.runtime_endpoint},
          {"runtimeRequestTimeout", "2m0s"},
          {"podLogsDir", o.pod_logs_dir.string()},
          {"clusterDNS", o.cluster_dns},
          {"clusterDomain", o.cluster_domain},
          {"resolvConf", o.resolv_conf ? o.resolv_conf->string() : std::string()},
          {"cgroupDriver", o.cgroup_driver},
          {"cgroupRoot", o.cgroup_root},
          {"cgroupsPerQOS", true},
          {"maxPods", o.max_pods},
          {"podPidsLimit", o.pod_pids_limit},
          {"cpuCFSQuota", o.cpu_cfs_quota},
          {"cpuCFSQuotaPeriod", go_duration(std::chrono::microseconds(o.cpu_cfs_quota_period_us))},
          {"seccompDefault", o.seccomp_default},
          {"serializeImagePulls", o.parallel_pulls < 2},
          {"maxParallelImagePulls", o.parallel_pulls},
          {"imagePullCredentialsVerificationPolicy", policy_name(o.pull_verification.policy)},
          {"preloadedImagesVerificationAllowlist", o.pull_verification.allowlist}};
}

Json protection_json(const Options& o) {
  const auto& p = o.protection;
  Json groups = Json::array();
  for (const auto& group : p.shutdown.by_priority) {
    groups.push_back({{"priority", group.priority}, {"shutdownGracePeriodSeconds", group.seconds}});
  }
  return {{"evictionSoft", p.eviction.soft},
          {"evictionSoftGracePeriod", p.eviction.soft_grace_period},
          {"evictionMinimumReclaim", p.eviction.minimum_reclaim},
          {"evictionPressureTransitionPeriod", go_duration(p.eviction.pressure_transition_period)},
          {"evictionMaxPodGracePeriod", p.eviction.max_pod_grace_period},
          {"containerLogMaxSize", kube::Quantity::of(p.logs.max_size, kube::Quantity::Format::binary_si).to_string()},
          {"containerLogMaxFiles", p.logs.max_files},
          {"containerLogMonitorInterval", go_duration(p.logs.monitor)},
          {"imageGCHighThresholdPercent", p.image_gc.high_percent},
          {"imageGCLowThresholdPercent", p.image_gc.low_percent},
          {"imageMinimumGCAge", go_duration(p.image_gc.minimum_age)},
          {"imageMaximumGCAge", go_duration(p.image_gc.maximum_age)},
          {"registryPullQPS", o.pull_qps},
          {"registryBurst", o.pull_burst},
          {"shutdownGracePeriod", go_duration(p.shutdown.grace_period)},
          {"shutdownGracePeriodCriticalPods", go_duration(p.shutdown.critical_grace_period)},
          {"shutdownGracePeriodByPodPriority", std::move(groups)},
          {"enforceNodeAllocatable", p.enforce_allocatable}};
}

// omitempty, where a zero says no more than the field's absence: not for flags and numbers.
bool says_nothing(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return (value.is_array() || value.is_object()) && value.empty();
}

}  // namespace

std::string go_duration(Nanoseconds duration) {
  const auto ns = duration.count();
  if (ns == 0) return "0s";
  if (ns < 0) return "-" + go_duration(-duration);
  if (ns < 1'000) return std::to_string(ns) + "ns";
  if (ns < 1'000'000) return digits(ns / 1'000, ns % 1'000, 3) + "µs";
  if (ns < 1'000'000'000) return digits(ns / 1'000'000, ns % 1'000'000, 6) + "ms";
  const auto seconds = ns / 1'000'000'000;
  std::string out = digits(seconds % 60, ns % 1'000'000'000, 9) + "s";
  if (seconds >= 60) out.insert(0, std::to_string(seconds / 60 % 60) + "m");
  if (seconds >= 3600) out.insert(0, std::to_string(seconds / 3600) + "h");
  return out;
}

Json effective_kubelet_config(const Options& options) {
  Json out = {{"apiVersion", "kubelet.config.k8s.io/v1beta1"}, {"kind", "KubeletConfiguration"}};
  const Json parts[] = {pods_json(options), node_json(options.cluster), serving_json(options.cluster.serving),
                        protection_json(options)};
  for (const auto& part : parts) {
    for (const auto& [name, value] : part.items()) {
      if (!says_nothing(value)) out[name] = value;
    }
  }
  return out;
}

}  // namespace keelson::agent
