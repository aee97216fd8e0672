// /metrics/resource and /metrics/cadvisor of a sample. Pure. Names and labels after upstream's
// pkg/kubelet/metrics/collectors/resource_metrics.go and google/cadvisor metrics/prometheus.go.
#pragma once

#include "agent/stats/sample.hpp"

namespace keelson::stats {

// With sample times. `failed`: the sample could not be taken in full (scrape_error 1).
[[nodiscard]] std::string resource_metrics(const Sample& sample, bool failed = false);

struct MachineFacts {
  std::string kernel, os, runtime_version;
};
// Rows: the root ("/"), each pod's cgroup (container=""), each container; network counters with the pod's sandbox.
[[nodiscard]] std::string cadvisor_metrics(const Sample& sample, const MachineFacts& machine);

}  // namespace keelson::stats
