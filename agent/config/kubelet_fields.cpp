#include "agent/config/field_setters.hpp"

namespace keelson::agent {
namespace {

Result<void> set_resolv_conf(const Json& v, Options& o) {
  TRY(const auto path, as_string(v));
  if (path.empty()) {
    o.resolv_conf.reset();
  } else {
    o.resolv_conf = path;
  }
  return {};
}

Result<void> set_serialize_pulls(const Json& v, Options& o) {
  if (!v.is_boolean()) return wrong_type("boolean", v);
  if (v.get<bool>()) o.parallel_pulls = 1;
  return {};
}

Result<void> set_pull_verification(const Json& v, Options& o) {
  TRY(const auto name, as_string(v));
  std::string known;
  for (const auto& [text, policy] : kPullPolicies) {
    if (name == text) {
      o.pull_verification.policy = policy;
      return {};
    }
    known += std::string(known.empty() ? "" : ", ") + text;
  }
  return make_error(Errc::invalid_argument, "\"" + name + "\": must be one of " + known);
}

// A size such as "10Mi".
Result<void> set_log_size(const Json& v, Options& o) {
  TRY(const auto words, as_string(v));
  TRY(const auto size, kube::Quantity::parse(words));
  if (size.sign() <= 0) return make_error(Errc::invalid_argument, "\"" + words + "\": must be above 0");
  o.protection.logs.max_size = size.value();
  return {};
}

Result<void> set_pull_qps(const Json& v, Options& o) {
  if (!v.is_number() || v.get<double>() < 0) return wrong_type("number of at least 0", v);
  o.pull_qps = v.get<double>();
  return {};
}

Result<void> set_shutdown_groups(const Json& v, Options& o) {
  if (!v.is_array()) return wrong_type("list of priority and shutdownGracePeriodSeconds", v);
  auto& groups = o.protection.shutdown.by_priority;
  groups.clear();
  for (const auto& item : v) {
    const auto number_of = [&](const char* name) {
      return item.is_object() && item.contains(name) && item.at(name).is_number_integer();
    };
    if (!number_of("priority") || !number_of("shutdownGracePeriodSeconds") ||
        item.at("shutdownGracePeriodSeconds").get<std::int64_t>() < 0) {
      return wrong_type("priority and shutdownGracePeriodSeconds", item);
    }
    groups.push_back(
        {item.at("priority").get<std::int64_t>(), item.at("shutdownGracePeriodSeconds").get<std::int64_t>()});
  }
  return {};
}

Result<void> set_enforce_allocatable(const Json& v, Options& o) {
  TRY(auto names, as_strings(v));
  for (const auto& name : names) {
    if (name != "pods" && name != "none") {
      return make_error(Errc::invalid_argument, "\"" + name + "\" is not served: pods, none");
    }
  }
  o.protection.enforce_allocatable = std::move(names);
  return {};
}

Result<void> set_quota_period(const Json& v, Options& o) {
  TRY(const auto period, as_duration(v));
  o.cpu_cfs_quota_period_us = std::chrono::duration_cast<std::chrono::microseconds>(period).count();
  return {};
}

// 0 means the default, and below 0 no measuring: the one duration that may be negative.
Result<void> set_volume_stats_period(const Json& v, Options& o) {
  if (v.is_string() && v.get<std::string>().starts_with('-')) {
    o.cluster.volume_stats_period = Nanoseconds(-1);
    return {};
  }
  TRY(const auto period, as_duration(v));
  o.cluster.volume_stats_period = period == Nanoseconds(0) ? ClusterOptions().volume_stats_period : period;
  return {};
}

Result<void> set_authorization_mode(const Json& v, Options& o) {
  TRY(const auto mode, as_string(v));
  if (mode != "AlwaysAllow" && mode != "Webhook")
    return make_error(Errc::invalid_argument, "one of AlwaysAllow, Webhook");
  o.cluster.serving.always_allow = mode == "AlwaysAllow";
  return {};
}

Result<void> set_taints(const Json& v, Options& o) {
  if (!v.is_array()) return wrong_type("list of taints", v);
  o.cluster.taints.clear();
  for (const auto& item : v) {
    if (!item.is_object() || !item.contains("key") || !item.contains("effect"))
      return wrong_type("taint with key and effect", item);
    kube::Taint taint;
    TRY(taint.key, as_string(item.at("key")));
    TRY(taint.value, as_string(item.value("value", Json(""))));
    TRY(taint.effect, as_string(item.at("effect")));
    o.cluster.taints.push_back(std::move(taint));
  }
  return {};
}

Result<void> set_cgroup_driver(const Json& v, Options& o) {
  TRY(const auto name, as_string(v));
  if (name != "cgroupfs" && name != "systemd") return make_error(Errc::invalid_argument, "one of cgroupfs, systemd");
  o.cgroup_driver = name;
  return {};
}

}  // namespace

ConfigKind kubelet_kind() {
  ConfigKind kind{"kubelet.config.k8s.io", {}, {}};
  kind.fields = {
      {"staticPodPath", text(AT(manifests))},
      {"containerRuntimeEndpoint", text(AT(runtime_endpoint))},
      {"podLogsDir", text(AT(pod_logs_dir))},
      {"clusterDNS", texts(AT(cluster_dns))},
      {"clusterDomain", text(AT(cluster_domain))},
      {"resolvConf", set_resolv_conf},
      {"cgroupDriver", set_cgroup_driver},
      {"cgroupRoot", text(AT(cgroup_root))},
      {"maxPods", number(AT(max_pods), 0, kMax32)},
      {"podPidsLimit", number(AT(pod_pids_limit), -1, kMax32)},
      {"cpuCFSQuota", flag(AT(cpu_cfs_quota))},
      {"cpuCFSQuotaPeriod", set_quota_period},
      {"serializeImagePulls", set_serialize_pulls},
      {"imagePullCredentialsVerificationPolicy", set_pull_verification},
      {"preloadedImagesVerificationAllowlist", texts(AT(pull_verification.allowlist))},
      {"maxParallelImagePulls", number(AT(parallel_pulls), 1, 1000)},
      {"seccompDefault", flag(AT(seccomp_default))},
      {"address", text(AT(cluster.serving.address))},
      {"port", number(AT(cluster.serving.port), 1, 65535)},
      {"healthzBindAddress", text(AT(cluster.serving.healthz_address))},
      {"healthzPort", number(AT(cluster.serving.healthz_port), 0, 65535)},
      {"tlsCertFile", text(AT(cluster.serving.cert_file))},
      {"tlsPrivateKeyFile", text(AT(cluster.serving.key_file))},
      {"tlsMinVersion", text(AT(cluster.serving.tls_min_version))},
      {"tlsCipherSuites", texts(AT(cluster.serving.tls_cipher_suites))},
      {"serverTLSBootstrap", flag(AT(cluster.serving.tls_bootstrap))},
      {"authentication.x509.clientCAFile", text(AT(cluster.serving.client_ca_file))},
      {"authentication.anonymous.enabled", flag(AT(cluster.serving.anonymous))},
      {"authentication.webhook.enabled", flag(AT(cluster.serving.token_webhook))},
      {"authentication.webhook.cacheTTL", duration(AT(cluster.serving.token_ttl))},
      {"authorization.mode", set_authorization_mode},
      {"authorization.webhook.cacheAuthorizedTTL", duration(AT(cluster.serving.allow_ttl))},
      {"authorization.webhook.cacheUnauthorizedTTL", duration(AT(cluster.serving.deny_ttl))},
      {"enableDebuggingHandlers", flag(AT(cluster.serving.debugging_handlers))},
      {"enableSystemLogHandler", flag(AT(cluster.serving.system_log_handler))},
      {"enableDebugFlagsHandler", flag(AT(cluster.serving.debug_flags_handler))},
      {"enableServer", flag(AT(cluster.serving.enabled))},
      {"rotateCertificates", flag(AT(cluster.rotate_certificates))},
      {"registerNode", flag(AT(cluster.register_node))},
      {"registerWithTaints", set_taints},
      {"providerID", text(AT(cluster.provider_id))},
      {"systemReserved", quantities(AT(cluster.system_reserved))},
      {"kubeReserved", quantities(AT(cluster.kube_reserved))},
      {"evictionHard", text_map(AT(cluster.eviction_hard))},
      {"evictionSoft", text_map(AT(protection.eviction.soft))},
      {"evictionSoftGracePeriod", text_map(AT(protection.eviction.soft_grace_period))},
      {"evictionMinimumReclaim", text_map(AT(protection.eviction.minimum_reclaim))},
      {"evictionPressureTransitionPeriod", duration(AT(protection.eviction.pressure_transition_period))},
      {"evictionMaxPodGracePeriod", number(AT(protection.eviction.max_pod_grace_period), 0, kMax32)},
      {"containerLogMaxSize", set_log_size},
      {"containerLogMaxFiles", number(AT(protection.logs.max_files), 2, kMax32)},
      {"containerLogMonitorInterval", duration(AT(protection.logs.monitor))},
      {"imageGCHighThresholdPercent", number(AT(protection.image_gc.high_percent), 0, 100)},
      {"imageGCLowThresholdPercent", number(AT(protection.image_gc.low_percent), 0, 100)},
      {"imageMinimumGCAge", duration(AT(protection.image_gc.minimum_age))},
      {"imageMaximumGCAge", duration(AT(protection.image_gc.maximum_age))},
      {"registryPullQPS", set_pull_qps},
      {"registryBurst", number(AT(pull_burst), 1, kMax32)},
      {"shutdownGracePeriod", duration(AT(protection.shutdown.grace_period))},
      {"shutdownGracePeriodCriticalPods", duration(AT(protection.shutdown.critical_grace_period))},
      {"shutdownGracePeriodByPodPriority", set_shutdown_groups},
      {"enforceNodeAllocatable", set_enforce_allocatable},
      {"podsPerCore", number(AT(cluster.pods_per_core), 0, kMax32)},
      {"nodeStatusMaxImages", number(AT(cluster.max_images), -1, kMax32)},
      {"nodeStatusUpdateFrequency", duration(AT(cluster.status_update))},
      {"nodeStatusReportFrequency", duration(AT(cluster.status_report))},
      {"volumeStatsAggPeriod", set_volume_stats_period},
      {"nodeLeaseDurationSeconds", number(AT(cluster.lease_seconds), 1, kMax32)},
      {"allowedUnsafeSysctls", texts(AT(cluster.allowed_sysctls))},
  };
  kind.without_effect = {"cgroupsPerQOS",
                         "configMapAndSecretChangeDetectionStrategy",
                         "containerLogMaxWorkers",
                         "contentType",
                         "cpuManagerPolicy",
                         "cpuManagerPolicyOptions",
                         "cpuManagerReconcilePeriod",
                         "crashLoopBackOff",
                         "enableContentionProfiling",
                         "enableControllerAttachDetach",
                         "enableProfilingHandler",
                         "enableSystemLogQuery",
                         "eventBurst",
                         "eventRecordQPS",
                         "failCgroupV1",
                         "failSwapOn",
                         "featureGates",
                         "fileCheckFrequency",
                         "hairpinMode",
                         "httpCheckFrequency",
                         "imageServiceEndpoint",
                         "iptablesDropBit",
                         "iptablesMasqueradeBit",
                         "kernelMemcgNotification",
                         "kubeAPIBurst",
                         "kubeAPIQPS",
                         "kubeReservedCgroup",
                         "kubeletCgroups",
                         "localStorageCapacityIsolation",
                         "logging",
                         "makeIPTablesUtilChains",
                         "maxOpenFiles",
                         "memoryManagerPolicy",
                         "memorySwap",
                         "memoryThrottlingFactor",
                         "mergeDefaultEvictionSettings",
                         "oomScoreAdj",
                         "podCIDR",
                         "protectKernelDefaults",
                         "qosReserved",
                         "readOnlyPort",
                         "reservedMemory",
                         "reservedSystemCPUs",
                         "runOnce",
                         "runtimeRequestTimeout",
                         "showHiddenMetricsForVersion",
                         "singleProcessOOMKill",
                         "staticPodURL",
                         "staticPodURLHeader",
                         "streamingConnectionIdleTimeout",
                         "syncFrequency",
                         "systemCgroups",
                         "systemReservedCgroup",
                         "topologyManagerPolicy",
                         "topologyManagerPolicyOptions",
                         "topologyManagerScope",
                         "tracing",
                         "userNamespaces",
                         "volumePluginDir"};
  return kind;
}

}  // namespace keelson::agent
