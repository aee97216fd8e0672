// The agent's own metrics, under the kubelet's names, from what its parts counted. Pure: parts count as they go, and
// text is made when somebody asks.
#pragma once

#include <string_view>
#include <vector>

#include "agent/stats/metric_text.hpp"
#include "cri/operations.hpp"
#include "kube/client/request_stats.hpp"
#include "probes/manager.hpp"

namespace keelson::agent {

// kubelet_runtime_operations_{total,duration_seconds,errors_total}, kubelet_started_pods_{,errors_}total.
void write_runtime_metrics(stats::MetricText& out, const cri::Operations& operations);
// rest_client_requests_total, rest_client_request_duration_seconds.
void write_request_metrics(stats::MetricText& out, const kube::RequestStats& requests);
// prober_probe_total, prober_probe_duration_seconds: /metrics/probes.
void write_probe_metrics(stats::MetricText& out, const std::vector<probes::ProbeTotals>& probes);

// The kubelet's name for a method of the runtime's: "run_pod_sandbox" -> "run_podsandbox".
[[nodiscard]] std::string runtime_operation(std::string_view method);

}  // namespace keelson::agent
