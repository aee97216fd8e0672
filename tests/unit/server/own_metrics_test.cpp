// The agent's own metrics, from what its parts counted to the text.
#include <catch2/catch.hpp>

#include "agent/daemon/own_metrics.hpp"
#include "agent/stats/pod_startup.hpp"

using namespace keelson;
using namespace keelson::agent;

namespace {

constexpr SystemTime kTime{Seconds(1'700'000'000)};

bool has(const std::string& text, const std::string& line) { return text.find(line + "\n") != std::string::npos; }

kube::ContainerStatus container(bool running) {
  kube::ContainerStatus out;
  out.name = "app";
  if (running) out.state.running.emplace();
  return out;
}

}  // namespace

TEST_CASE("The kubelet's names of what is asked of the runtime") {
  const std::pair<const char*, const char*> cases[] = {{"run_pod_sandbox", "run_podsandbox"},
                                                       {"list_pod_sandbox_stats", "list_podsandbox_stats"},
                                                       {"update_container_resources", "update_container"},
                                                       {"exec_sync", "exec_sync"}};
  for (const auto& [method, name] : cases) CHECK(runtime_operation(method) == name);
}

TEST_CASE("What was asked of the runtime and of the API server") {
  cri::Operations operations;
  operations["run_pod_sandbox"].seconds.observe(0.2);
  operations["run_pod_sandbox"].seconds.observe(0.004);
  operations["run_pod_sandbox"].failed = 1;
  operations["list_images"];  // under way
  kube::RequestStats requests{.host = "api:6443", .answers = {}, .seconds = {}};
  requests.answers = {{{200, "GET"}, 3}, {{0, "PATCH"}, 1}};
  requests.seconds.try_emplace("GET", kube::kRequestBounds).first->second.observe(0.02);
  stats::MetricText out;
  write_runtime_metrics(out, operations);
  write_request_metrics(out, requests);
  const auto text = out.take();
  const std::string run = "operation_type=\"run_podsandbox\"";
  CHECK(has(text, "kubelet_runtime_operations_total{" + run + "} 2"));
  CHECK(has(text, "kubelet_runtime_operations_total{operation_type=\"list_images\"} 0"));
  CHECK(has(text, "kubelet_runtime_operations_errors_total{" + run + "} 1"));
  CHECK(has(text, "kubelet_runtime_operations_duration_seconds_bucket{" + run + ",le=\"0.005\"} 1"));
  CHECK(has(text, "kubelet_runtime_operations_duration_seconds_bucket{" + run + ",le=\"+Inf\"} 2"));
  CHECK(has(text, "kubelet_runtime_operations_duration_seconds_count{" + run + "} 2"));
  CHECK(has(text, "kubelet_started_pods_total 2"));
  CHECK(has(text, "kubelet_started_pods_errors_total 1"));
  CHECK(has(text, "rest_client_requests_total{code=\"200\",host=\"api:6443\",method=\"GET\"} 3"));
  CHECK(has(text, "rest_client_requests_total{code=\"<error>\",host=\"api:6443\",method=\"PATCH\"} 1"));
  CHECK(has(text, "rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le=\"0.025\"} 1"));
}

TEST_CASE("What probes came to") {
  probes::ProbeTotals probe{.ns = "d", .pod = "web", .uid = "u", .container = "app"};
  probe.type = probes::ProbeType::readiness;
  probe.successful = 4;
  probe.failed = 2;
  probe.seconds.observe(0.03);
  stats::MetricText out;
  write_probe_metrics(out, {probe});
  const auto text = out.take();
  const std::string who = "container=\"app\",namespace=\"d\",pod=\"web\",";
  CHECK(has(text, "prober_probe_total{" + who + "pod_uid=\"u\",probe_type=\"Readiness\",result=\"successful\"} 4"));
  CHECK(has(text, "prober_probe_total{" + who + "pod_uid=\"u\",probe_type=\"Readiness\",result=\"failed\"} 2"));
  CHECK(text.find("result=\"unknown\"") == std::string::npos);
  CHECK(has(text, "prober_probe_duration_seconds_bucket{" + who + "probe_type=\"Readiness\",le=\"0.05\"} 1"));
}

TEST_CASE("How long pods took to start") {
  kube::Pod pod;
  pod.metadata.uid = "u";
  pod.metadata.creation_timestamp = kTime;
  kube::PodStatus running;
  running.phase = "Running";
  running.container_statuses = {container(true)};
  const auto text_of = [](const stats::PodStartup& startup) {
    stats::MetricText out;
    startup.write(out);
    return out.take();
  };
  const std::string whole = "kubelet_pod_start_total_duration_seconds_";
  const std::string sli = "kubelet_pod_start_sli_duration_seconds_";

  stats::PodStartup startup;
  startup.shown(pod, kTime + Seconds(1));
  startup.pull_started("u", kTime + Seconds(2));
  startup.pull_ended("u", kTime + Seconds(5));
  kube::PodStatus pending;
  pending.phase = "Pending";
  pending.container_statuses = {container(false)};
  startup.status("u", pending, kTime + Seconds(5));
  pod.status = running;
  startup.shown(pod, kTime + Seconds(6));  // somebody else's word does not count
  CHECK(has(text_of(startup), whole + "count 0"));
  startup.status("u", running, kTime + Seconds(7));
  startup.shown(pod, kTime + Seconds(8));
  startup.shown(pod, kTime + Seconds(9));
  const auto text = text_of(startup);
  CHECK(has(text, "kubelet_pod_start_duration_seconds_sum 6"));
  CHECK(has(text, whole + "sum 8"));
  CHECK(has(text, sli + "sum 5"));
  CHECK(has(text, sli + "count 1"));
  CHECK(has(text, sli + "bucket{le=\"5\"} 1"));
  CHECK(has(text, sli + "bucket{le=\"4\"} 0"));

  stats::PodStartup restarted;  // the pod started under an earlier agent
  pod.status.start_time = kTime;
  restarted.shown(pod, kTime);
  restarted.status("u", running, kTime);
  restarted.shown(pod, kTime);
  CHECK(has(text_of(restarted), whole + "count 0"));
  CHECK(has(text_of(restarted), "kubelet_pod_start_duration_seconds_count 0"));
}
