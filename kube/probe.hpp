// Probes and lifecycle hooks (core/v1 Probe, Lifecycle).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/int_or_string.hpp"

namespace keelson::kube {

struct ExecAction {
  std::vector<std::string> command;
  bool operator==(const ExecAction&) const = default;
};

struct HttpHeader {
  std::string name;
  std::string value;
  bool operator==(const HttpHeader&) const = default;
};

struct HttpGetAction {
  std::string path;
  IntOrString port;
  std::string host;
  std::string scheme;  // HTTP, HTTPS
  std::vector<HttpHeader> http_headers;
  bool operator==(const HttpGetAction&) const = default;
};

struct TcpSocketAction {
  IntOrString port;
  std::string host;
  bool operator==(const TcpSocketAction&) const = default;
};

struct GrpcAction {
  std::int32_t port = 0;
  std::string service;  // for the HealthCheckRequest; empty: the server's overall health
  bool operator==(const GrpcAction&) const = default;
};

struct Probe {
  std::optional<ExecAction> exec;
  std::optional<HttpGetAction> http_get;
  std::optional<TcpSocketAction> tcp_socket;
  std::optional<GrpcAction> grpc;
  std::int32_t initial_delay_seconds = 0;
  std::int32_t timeout_seconds = 0;    // the default 1 is set by defaults.hpp, as are the next three
  std::int32_t period_seconds = 0;     // 10
  std::int32_t success_threshold = 0;  // 1
  std::int32_t failure_threshold = 0;  // 3
  std::optional<std::int64_t> termination_grace_period_seconds;
  bool operator==(const Probe&) const = default;
};

struct SleepAction {
  std::int64_t seconds = 0;
  bool operator==(const SleepAction&) const = default;
};

struct LifecycleHandler {
  std::optional<ExecAction> exec;
  std::optional<HttpGetAction> http_get;
  std::optional<TcpSocketAction> tcp_socket;
  std::optional<SleepAction> sleep;
  bool operator==(const LifecycleHandler&) const = default;
};

struct Lifecycle {
  std::optional<LifecycleHandler> post_start;
  std::optional<LifecycleHandler> pre_stop;
  std::string stop_signal;  // e.g. "SIGTERM"
  bool operator==(const Lifecycle&) const = default;
};

}  // namespace keelson::kube
