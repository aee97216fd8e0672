// What can be set about the Service proxy beside its rules (proxy/config.hpp): where it serves its health and metrics.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::agent {

inline constexpr std::uint16_t kProxyHealthPort = 10256;
inline constexpr std::uint16_t kProxyMetricsPort = 10249;

struct ProxyOptions {
  std::string bind_address;      // bindAddress; its family is the primary one. Empty: found
  std::string healthz_address;   // healthzBindAddress, "IP", "IP:PORT" or "[IP]:PORT"; empty: every address, 10256
  std::string metrics_address;   // metricsBindAddress; empty: 127.0.0.1:10249
  bool bind_hard_fail = false;   // bindAddressHardFail: an address that cannot be bound ends the start
  int oom_score_adj = -999;      // of `keelson proxy`
  std::filesystem::path socket = "/run/keelson/proxy.sock";  // of `keelson proxy`, for `keelson explain`
};

struct BindAddress {
  std::string ip;
  std::uint16_t port = 0;  // 0: not to be served
};

// "10.0.0.1", "10.0.0.1:10256", "::1", "[::1]:10256". Error: neither of them.
Result<BindAddress> parse_bind_address(std::string_view text, std::uint16_t default_port);

// Where the options say that health and metrics are served. Errors name the field.
Result<BindAddress> proxy_healthz_address(const ProxyOptions& options);
Result<BindAddress> proxy_metrics_address(const ProxyOptions& options);

}  // namespace keelson::agent
