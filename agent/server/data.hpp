// What the node agent's HTTP API knows of the node: the seam between the handlers and the rest of the daemon.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/stats/metric_text.hpp"
#include "agent/stats/metrics.hpp"
#include "agent/stats/target.hpp"
#include "base/async.hpp"
#include "kube/pod.hpp"

namespace keelson {
class BlockingPool;
}
namespace keelson::cri {
class RuntimeService;
}

namespace keelson::agent {

class PodJournal;

struct PodEntry {
  std::shared_ptr<const kube::Pod> pod;
  std::shared_ptr<const kube::PodStatus> status;  // null: nothing is known yet
  std::optional<SystemTime> stopping_since;       // none: the pod is wanted
};

class ServerData {
 public:
  virtual ~ServerData() = default;

  // Pods, by namespace, then name.
  virtual std::vector<PodEntry> pods() = 0;
  virtual std::optional<PodEntry> find_pod(const std::string& ns, const std::string& name) = 0;
  // Where the runtime writes the log of that container of the pod; nothing when it does not hold the container any
  // more.
  virtual std::optional<std::string> log_path(const std::string& pod_uid, const std::string& container_id) = 0;
  // The pod's running sandbox, or empty.
  virtual std::string sandbox_id(const std::string& pod_uid) = 0;
  // What was done for the pod "namespace/name", also after its end; null when nothing is known.
  virtual const PodJournal* journal(const std::string& key) = 0;
  // The CNI plugin that works for the pod just now, in words; empty when none does or nobody knows.
  virtual std::string network_activity(const std::string& pod_uid) {
    static_cast<void>(pod_uid);
    return {};
  }
  // Calls `handler` when a pod came, changed or went. Once, at the server's making.
  virtual void on_change(std::function<void()> handler) = 0;

  // {"services": [Service...], "endpointSlices": [...], "proxy": {...}}
  virtual nlohmann::json services() = 0;
  // How packets to the Services of that name are handled: agent/proxy/explain.hpp.
  virtual Awaitable<nlohmann::json> explain_service(std::string ns, std::string name) = 0;
  // [{"kind", "namespace", "name", "desired", "current", "ready", "upToDate", "succeeded", "failed", "message"}...]
  virtual nlohmann::json workloads() = 0;
  // [{"file", "object", "message", "severity": "error"|"warning"}...]
  virtual nlohmann::json problems() = 0;
  // The node: runtime, cgroups, pod network, proxy, source, counts.
  virtual nlohmann::json status() = 0;

  // The KubeletConfiguration in force, as JSON.
  virtual nlohmann::json kubelet_config() = 0;
  // Where checkpoints of containers go.
  virtual std::filesystem::path checkpoint_dir() = 0;

  virtual std::string node_name() = 0;
  // What the node, its pods and their containers use now.
  virtual Awaitable<Result<stats::Sample>> sample(stats::Detail detail) = 0;
  virtual stats::MachineFacts machine() = 0;
  // What the node's parts have counted: for /metrics, and for /metrics/probes.
  virtual Awaitable<void> write_metrics(stats::MetricText& out) = 0;
  virtual void write_probe_metrics(stats::MetricText& out) = 0;

  virtual cri::RuntimeService& runtime() = 0;
  virtual BlockingPool& pool() = 0;
  virtual SystemTime now() = 0;
};

}  // namespace keelson::agent
