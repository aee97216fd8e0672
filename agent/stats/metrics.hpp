// /metrics/resource and /metrics/cadvisor of a sample. Pure. Names and labels after upstream's
// pkg/kubelet/metrics/collectors/resource_metrics.go and google/cadvisor metrics/prometheus.go.
#pragma once

#include "agent/stats/metric_text.hpp"
#include "agent/stats/sample.hpp"

namespace keelson::stats {

// With sample times. `failed`: the sample could not be taken in full (scrape_error 1).
[[nodiscard]] std::string resource_metrics(const Sample& sample, bool failed = false);

struct MachineFacts {
  std::string kernel, os, runtime_version;
  std::string boot_id, machine_id, system_uuid;
};
// kubelet_volume_stats_* of what claims mount, each claim once.
void write_volume_metrics(MetricText& out, const std::vector<PodSample>& pods);

// Rows: the root ("/"), each pod's cgroup (container=""), each container; network counters with the pod's sandbox.
[[nodiscard]] std::string cadvisor_metrics(const Sample& sample, const MachineFacts& machine);

}  // namespace keelson::stats
