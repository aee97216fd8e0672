// What can be set about a node of a cluster: how it joins, what it says of itself, and its HTTPS API.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/chrono.hpp"
#include "kube/node.hpp"

namespace keelson::agent {

// The HTTPS API, as the kubelet's configuration names its settings.
struct ServingOptions {
  std::string address = "0.0.0.0";
  std::uint16_t port = 10250;
  std::string healthz_address = "127.0.0.1";
  std::uint16_t healthz_port = 10248;         // 0: none
  std::filesystem::path cert_file, key_file;  // empty: by CSR where tls_bootstrap is set, else self-signed
  bool tls_bootstrap = false;                 // serverTLSBootstrap
  std::string tls_min_version;
  std::vector<std::string> tls_cipher_suites;
  std::filesystem::path client_ca_file;  // empty: no client certificates
  bool anonymous = false;
  bool token_webhook = true;
  bool always_allow = false;  // authorization.mode AlwaysAllow
  Nanoseconds token_ttl = std::chrono::minutes(2);
  Nanoseconds allow_ttl = std::chrono::minutes(5);
  Nanoseconds deny_ttl = Seconds(30);
  bool debugging_handlers = true, system_log_handler = true, debug_flags_handler = true;
  bool enabled = true;  // enableServer
};

struct ClusterOptions {
  std::filesystem::path kubeconfig;
  std::filesystem::path bootstrap_kubeconfig;
  std::filesystem::path proxy_kubeconfig;  // to read EndpointSlices with; empty: the node's own credentials
  std::filesystem::path cert_dir;          // empty: ROOT/pki
  bool rotate_certificates = true;

  bool register_node = true;
  kube::StringMap node_labels;
  std::vector<kube::Taint> taints;  // registerWithTaints
  std::string provider_id;
  bool external_cloud = false;  // --cloud-provider=external
  kube::ResourceList system_reserved, kube_reserved;
  kube::StringMap eviction_hard = {{"memory.available", "100Mi"},
                                   {"nodefs.available", "10%"},
                                   {"imagefs.available", "15%"},
                                   {"nodefs.inodesFree", "5%"},
                                   {"imagefs.inodesFree", "5%"}};
  std::int64_t pods_per_core = 0;
  std::int64_t max_images = 50;
  Nanoseconds status_update = Seconds(10);
  Nanoseconds status_report = std::chrono::minutes(5);
  std::int64_t lease_seconds = 40;
  Nanoseconds volume_stats_period = std::chrono::minutes(1);  // volumeStatsAggPeriod; below 0: volumes are not measured
  std::vector<std::string> allowed_sysctls;

  ServingOptions serving;

  [[nodiscard]] bool enabled() const { return !kubeconfig.empty() || !bootstrap_kubeconfig.empty(); }
};

}  // namespace keelson::agent
