// Keeps this node's Node object at the API server: creates it or takes over the one that is there, and brings its
// status in line with what is so on the machine. Nothing is polled: a change of the input is sent at once when somebody
// waits for it (conditions, volumesInUse), at most every nodeStatusUpdateFrequency otherwise, and a mere sign of life
// every nodeStatusReportFrequency. After upstream's pkg/kubelet/kubelet_node_status.go.
//
//   owner -> input_changed();  watch of the own Node -> observed(), deleted();
//   this -> POST nodes, PATCH nodes/NAME/status
//
// A Node that is deleted while the agent runs is not made again before the agent's next start (as upstream): who
// deletes it means it. Lives on the loop's thread.
#pragma once

#include <functional>
#include <memory>

#include "agent/node/node_object.hpp"
#include "agent/node/node_patch.hpp"
#include "base/clock.hpp"
#include "base/notifier.hpp"
#include "kube/client/api.hpp"

namespace keelson::agent {

struct NodeSeams {
  std::function<NodeInput()> input;             // what is so now; asked before each comparison, so it must be cheap
  std::function<void(const NodeEvent&)> event;  // about the Node; after the change that it speaks of was written
  // The Node as the API server has it now; null: it was deleted. For pod admission, the proxy, the pod network.
  std::function<void(std::shared_ptr<const kube::Node>)> changed;
};

class NodeRegistrar {
 public:
  // `api` and `clock` must outlive this.
  NodeRegistrar(const Executor& executor, kube::Api& api, const Clock& clock, NodeConfig config, NodeSeams seams,
                ReportSchedule schedule = {});

  // Until cancelled.
  Awaitable<void> run();

  // Something that NodeInput holds may have changed.
  void input_changed() { wake_.notify(); }
  // What a watch of the own Node (fieldSelector metadata.name=NAME) says. May be told before registration.
  void observed(std::shared_ptr<const kube::Node> node);
  void deleted();

  // The Node as last heard of; null before registration and after its deletion.
  [[nodiscard]] const std::shared_ptr<const kube::Node>& node() const { return node_; }
  // Its UID, "" while there is none: for the Lease's ownerReference.
  [[nodiscard]] std::string uid() const { return node_ ? node_->metadata.uid : std::string(); }

 private:
  Awaitable<void> register_node();
  Awaitable<Result<void>> try_register();
  Awaitable<Result<void>> take_over(kube::Node wanted);
  Awaitable<Result<void>> send(kube::Node next, NodeChange change);
  Awaitable<void> report_once();
  void adopt(std::shared_ptr<const kube::Node> node);
  void tell(const std::vector<NodeEvent>& events);
  void failed(const char* what, const Error& error);
  void succeeded(const char* what);

  kube::Api& api_;
  const Clock& clock_;
  const NodeConfig config_;
  NodeSeams seams_;
  ReportSchedule schedule_;
  Notifier wake_;  // input_changed(), observed(), deleted() -> run()
  std::shared_ptr<const kube::Node> node_;
  Nanoseconds retry_{};     // before the next try; zero: the last one went well
  std::string last_error_;  // what was logged
};

}  // namespace keelson::agent
