// This node as the cluster sees it: gathers what is so on the machine and keeps the Node object and its Lease in line.
//   runtime Status every 10 s, images when they changed -> NodeInput -> NodeRegistrar;  LeaseKeeper;  watch of the own
//   Node
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "agent/node/lease_keeper.hpp"
#include "agent/node/node_registrar.hpp"
#include "agent/node/runtime_health.hpp"
#include "agent/spec/node_facts.hpp"
#include "base/blocking_pool.hpp"
#include "base/task_group.hpp"
#include "cri/runtime_service.hpp"
#include "kube/client/list_watch.hpp"

namespace keelson::agent {

struct NodeReporterSeams {
  std::function<void(std::shared_ptr<const kube::Node>)> on_node;  // the Node as the API server has it; null: deleted
  std::function<void(const NodeEvent&)> on_event;
  // Why the pod network that this agent runs is not ready; "" when it is; nothing where the runtime runs it.
  std::function<std::optional<std::string>()> network_error;
  // MemoryPressure, DiskPressure, PIDPressure: those that hold.
  std::function<std::set<std::string>()> pressure;
  // Why else the node is not Ready: "node is shutting down".
  std::function<std::vector<std::string>()> errors;
};

struct NodeReporterOptions {
  NodeConfig node;
  ReportSchedule schedule;
  Seconds lease{40};
  std::string runtime_name, runtime_version;
};

class NodeReporter {
 public:
  NodeReporter(const Executor& executor, kube::Api& api, const Clock& clock, cri::RuntimeService& runtime,
               cri::ImageService& images, const spec::NodeFacts& facts, NodeReporterOptions options,
               NodeReporterSeams seams);

  void start();
  Awaitable<void> stop();
  // Pressure or errors of the seams are others.
  void input_changed();
  // Pods came or went: the runtime's images may be others.
  void images_changed() { images_stale_ = true; }

  [[nodiscard]] const std::shared_ptr<const kube::Node>& node() const { return registrar_.node(); }
  [[nodiscard]] std::vector<std::string> errors() const { return health_.errors(clock_.steady_now()); }
  [[nodiscard]] std::optional<SystemTime> lease_renewed() const { return lease_.renewed(); }

 private:
  [[nodiscard]] NodeInput input() const;
  Awaitable<void> follow_runtime();
  void look_at_network();
  Awaitable<void> look_at_runtime();
  Awaitable<void> look_at_images();

  const Clock& clock_;
  cri::RuntimeService& runtime_;
  cri::ImageService& images_service_;
  const spec::NodeFacts& facts_;
  NodeReporterOptions options_;
  NodeReporterSeams seams_;
  MachineFacts machine_;
  RuntimeHealth health_;
  std::vector<kube::NodeRuntimeHandler> handlers_;
  std::optional<bool> groups_policy_;
  std::vector<NodeImage> images_;
  bool images_stale_ = true;
  NodeRegistrar registrar_;
  LeaseKeeper lease_;
  kube::ListWatch<kube::Node> watch_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
