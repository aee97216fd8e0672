// Static pods: the pods of the manifest folder of a node that belongs to a cluster. They run whatever the API server
// says; there, each is shown by a mirror pod, which is made, replaced and removed here. After upstream's
// pkg/kubelet/config/file.go and pkg/kubelet/pod/mirror_client.go.
//
//   folder -> PodManager;  pod watch -> mirror_seen(), mirror_gone();  this -> POST, DELETE of mirror pods,
//   StatusWriter
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/cluster/status_writer.hpp"
#include "agent/pod/manager.hpp"
#include "agent/standalone/folder.hpp"
#include "kube/node.hpp"

namespace keelson::agent {

inline constexpr const char* kMirrorAnnotation = "kubernetes.io/config.mirror";
inline constexpr const char* kHashAnnotation = "kubernetes.io/config.hash";

[[nodiscard]] bool is_mirror(const kube::Pod& pod);

// The pod of a manifest as it runs on this node: name with "-NODE", bound to the node, tolerating every NoExecute
// taint, its UID a hash of what it says.
[[nodiscard]] kube::Pod static_pod(const kube::Pod& manifest, const std::string& node_name, SystemTime now);
// What shows it at the API server; owned by the node.
[[nodiscard]] kube::Pod mirror_pod(const kube::Pod& static_pod, const kube::Node& node);

// "static pods may not reference X", or nothing: what a static pod names must not depend on the API server.
[[nodiscard]] std::string refused_reference(const kube::Pod& manifest);

class StaticPods {
 public:
  // `refuse` says why this node cannot have a pod, "SysctlForbidden: ...", or nothing.
  StaticPods(Executor executor, BlockingPool& pool, const Clock& clock, kube::Api& api, PodManager& pods,
             StatusWriter& statuses, std::string node_name, std::filesystem::path folder,
             std::function<std::string(const kube::Pod&)> refuse = {});

  // Reads the folder once and hands its pods over.
  Awaitable<void> load();
  // Follows the folder. Until cancelled.
  Awaitable<void> follow_folder();
  // Keeps mirrors in line, once the node is known. Until cancelled.
  Awaitable<void> keep_mirrors();

  void node_known(std::shared_ptr<const kube::Node> node);
  // The API server has this mirror pod.
  void mirror_seen(std::shared_ptr<const kube::Pod> mirror);
  void mirror_gone(const std::string& ns, const std::string& name, const std::string& uid);
  // Every mirror that there is has been told.
  void mirrors_synced();

  [[nodiscard]] const std::vector<SourceProblem>& problems() const { return problems_; }

 private:
  using PodMap = std::map<std::string, std::shared_ptr<const kube::Pod>>;  // by "namespace/name"
  Awaitable<bool> reconcile();
  Awaitable<bool> create(std::shared_ptr<const kube::Pod> wanted);
  Awaitable<bool> remove(std::shared_ptr<const kube::Pod> mirror);
  [[nodiscard]] bool shows(const kube::Pod& mirror, const kube::Pod& wanted) const;

  const Clock& clock_;
  kube::Api& api_;
  PodManager& manager_;
  StatusWriter& statuses_;
  std::string node_name_;
  std::function<std::string(const kube::Pod&)> refuse_;
  Folder folder_;
  PodMap wanted_, mirrors_;
  std::vector<SourceProblem> problems_;
  std::shared_ptr<const kube::Node> node_;
  bool synced_ = false;
  Notifier wake_;
};

}  // namespace keelson::agent
