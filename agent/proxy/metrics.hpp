// The proxy's metrics under kube-proxy's names (k8s.io/kubernetes pkg/proxy/metrics/metrics.go). Pure.
#pragma once

#include <array>
#include <cstdint>

#include "agent/stats/metric_text.hpp"
#include "proxy/proxier.hpp"

namespace keelson::agent {

// How often /healthz and /livez were answered with 200 and with 503.
struct ProbeCounts {
  std::uint64_t healthz_200 = 0, healthz_503 = 0, livez_200 = 0, livez_503 = 0;
};

void write_proxy_metrics(stats::MetricText& out, const proxy::Proxier& proxier, const ProbeCounts& probes);

}  // namespace keelson::agent
