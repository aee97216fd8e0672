// The API server as a source of desired state: the pods that are bound to this node. It decides which of them run
// (admission.hpp), hands them to the PodManager, and tells the StatusWriter what the API server shows.
//
//   pod watch -> set(), remove(), synced() -> PodManager, StatusWriter
// The watch itself belongs to the wiring (cluster.hpp). After upstream's pkg/kubelet/config/apiserver.go and the
// HandlePod* functions of pkg/kubelet/kubelet.go. Lives on the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/cluster/admission.hpp"
#include "agent/cluster/status_writer.hpp"
#include "agent/journal/journal.hpp"
#include "agent/pod/manager.hpp"
#include "kube/node.hpp"

namespace keelson::agent {

struct PodSourceOptions {
  std::vector<std::string> allowed_sysctls;
  std::function<std::set<std::string>()> pressure;  // the node's conditions that keep pods away
  std::function<bool()> shutting_down;
  const spec::NodeFacts* facts = nullptr;  // as AdmissionInput's
};

class ApiPodSource {
 public:
  // `node`: this node as the API server has it; null until it is known.
  ApiPodSource(const Clock& clock, PodManager& pods, StatusWriter& statuses, Journal& journal,
               std::function<std::shared_ptr<const kube::Node>()> node, PodSourceOptions options);

  // The API server has the pod like this.
  void set(std::shared_ptr<const kube::Pod> pod);
  // The API server has it no more.
  void remove(const std::string& uid);
  // Everything that there was at the start has been told. Until then nothing is started or stopped.
  void synced();
  // The API server does not answer: what an earlier agent ran goes on as it knew it, until synced().
  void go_on_alone();
  // Nothing of the pod is left on this node.
  void worker_gone(const std::string& uid);

  [[nodiscard]] bool is_synced() const { return synced_; }
  [[nodiscard]] const std::map<std::string, std::shared_ptr<const kube::Pod>>& pods() const { return pods_; }

 private:
  void take(const std::shared_ptr<const kube::Pod>& pod);
  [[nodiscard]] std::shared_ptr<const kube::Pod> grant(const std::shared_ptr<const kube::Pod>& pod);
  [[nodiscard]] std::shared_ptr<const kube::Pod> granted_before(const std::string& uid) const;
  void retry_resizes();
  void take_deleted(const kube::Pod& pod);
  std::optional<Rejection> refuse(const kube::Pod& pod, const kube::Node& node);
  void reject(const kube::Pod& pod, const std::string& reason, const std::string& message);
  [[nodiscard]] std::vector<const kube::Pod*> holders(const std::string& except) const;
  [[nodiscard]] bool is_ended(const std::string& uid) const;

  const Clock& clock_;
  PodManager& manager_;
  StatusWriter& statuses_;
  Journal& journal_;
  std::function<std::shared_ptr<const kube::Node>()> node_;
  PodSourceOptions options_;
  std::map<std::string, std::shared_ptr<const kube::Pod>> pods_;      // by UID: what the API server has
  std::map<std::string, std::shared_ptr<const kube::Pod>> admitted_;  // by UID: what was handed to the manager
  std::map<std::string, Rejection> waiting_resizes_;                  // by UID: why the node does not grant it yet
  std::set<std::string> alone_;                                       // UIDs handed over by go_on_alone()
  bool synced_ = false;
};

// Whether a pod that is shown like `now` means something else for this node than like `before`: spec, labels,
// annotations, deletion, or a condition that is one of its readiness gates.
[[nodiscard]] bool means_other(const kube::Pod& before, const kube::Pod& now);

}  // namespace keelson::agent
