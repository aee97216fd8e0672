#include "agent/daemon/own_metrics.hpp"

#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using stats::label_text;

std::string operation_label(std::string_view method) {
  const auto name = runtime_operation(method);
  return label_text({{"operation_type", name}});
}

struct Outcomes {
  std::uint64_t all = 0, failed = 0;
};

Outcomes outcomes_of(const cri::Operations& operations, std::string_view method) {
  const auto found = operations.find(method);
  if (found == operations.end()) return {};
  return {found->second.seconds.count(), found->second.failed};
}

std::string_view name_of(probes::ProbeType type) {
  switch (type) {
    case probes::ProbeType::liveness:
      return "Liveness";
    case probes::ProbeType::readiness:
      return "Readiness";
    case probes::ProbeType::startup:
      return "Startup";
  }
  return "";
}

}  // namespace

std::string runtime_operation(std::string_view method) {
  if (method == "update_container_resources") return "update_container";
  return replace_all(std::string(method), "pod_sandbox", "podsandbox");
}

void write_runtime_metrics(stats::MetricText& out, const cri::Operations& operations) {
  out.family("kubelet_runtime_operations_total", "counter",
             "[ALPHA] Cumulative number of runtime operations by operation type.");
  for (const auto& [method, stats] : operations) {
    out.sample(static_cast<double>(stats.seconds.count()), operation_label(method));
  }
  out.family("kubelet_runtime_operations_duration_seconds", "histogram",
             "[ALPHA] Duration in seconds of runtime operations. Broken down by operation type.");
  for (const auto& [method, stats] : operations) out.histogram(stats.seconds, operation_label(method));
  out.family("kubelet_runtime_operations_errors_total", "counter",
             "[ALPHA] Cumulative number of runtime operation errors by operation type.");
  for (const auto& [method, stats] : operations) {
    if (stats.failed > 0) out.sample(static_cast<double>(stats.failed), operation_label(method));
  }
  const auto pods = outcomes_of(operations, "run_pod_sandbox");
  out.single("kubelet_started_pods_total", "counter", "[ALPHA] Cumulative number of pods started",
             static_cast<double>(pods.all));
  out.single("kubelet_started_pods_errors_total", "counter", "[ALPHA] Cumulative number of errors when starting pods",
             static_cast<double>(pods.failed));
}

void write_request_metrics(stats::MetricText& out, const kube::RequestStats& requests) {
  out.family("rest_client_requests_total", "counter",
             "[ALPHA] Number of HTTP requests, partitioned by status code, method, and host.");
  for (const auto& [key, count] : requests.answers) {
    const auto code = key.first == 0 ? std::string("<error>") : std::to_string(key.first);
    out.sample(static_cast<double>(count),
               label_text({{"code", code}, {"host", requests.host}, {"method", key.second}}));
  }
  out.family("rest_client_request_duration_seconds", "histogram",
             "[ALPHA] Request latency in seconds. Broken down by verb, and host.");
  for (const auto& [method, seconds] : requests.seconds) {
    out.histogram(seconds, label_text({{"host", requests.host}, {"verb", method}}));
  }
}

void write_probe_metrics(stats::MetricText& out, const std::vector<probes::ProbeTotals>& probes) {
  out.family("prober_probe_total", "counter",
             "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.");
  for (const auto& probe : probes) {
    const std::pair<const char*, std::uint64_t> results[] = {
        {"successful", probe.successful}, {"failed", probe.failed}, {"unknown", probe.unknown}};
    for (const auto& [result, count] : results) {
      if (count == 0) continue;
      out.sample(static_cast<double>(count), label_text({{"container", probe.container},
                                                         {"namespace", probe.ns},
                                                         {"pod", probe.pod},
                                                         {"pod_uid", probe.uid},
                                                         {"probe_type", name_of(probe.type)},
                                                         {"result", result}}));
    }
  }
  out.family("prober_probe_duration_seconds", "histogram", "[ALPHA] Duration in seconds for a probe response.");
  for (const auto& probe : probes) {
    if (probe.seconds.count() == 0) continue;
    out.histogram(probe.seconds, label_text({{"container", probe.container},
                                             {"namespace", probe.ns},
                                             {"pod", probe.pod},
                                             {"probe_type", name_of(probe.type)}}));
  }
}

}  // namespace keelson::agent
