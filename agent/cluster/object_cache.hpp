// The objects that pods refer to, from the API server: each ConfigMap and Secret is watched by itself (the Node
// authorizer allows a node no list), shared between the pods that name it, and dropped with the last of them. Claims
// and their volumes are asked for when they are needed. After upstream's pkg/kubelet/util/manager (watch based).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/cluster/service_index.hpp"
#include "agent/cluster/watched_object.hpp"
#include "agent/pod/context.hpp"
#include "base/task_group.hpp"
#include "kube/client/api.hpp"

namespace keelson::agent {

class ObjectCache final : public ObjectSource {
 public:
  // `on_change` is called with the UIDs of the pods that refer to an object that changed. `api` must outlive this.
  ObjectCache(Executor executor, kube::Api& api, std::function<void(const std::vector<std::string>& uids)> on_change);

  // Waits until each object was looked for once, and until Services are known. Errors: unavailable, when the API server
  // does not answer in time.
  Awaitable<Result<kube::ObjectSet>> gather(std::shared_ptr<const kube::Pod> pod) override;
  // Asks the API server each time; while it does not answer, a class is as it was last seen: its handler never changes,
  // but a class may be deleted and made anew. Errors: runtimeclass.node.k8s.io "X" not found; else failed to get
  // RuntimeClass X: ... (kl/runtimeclass/runtimeclass_manager.go, which follows all classes)
  Awaitable<Result<std::optional<std::string>>> runtime_handler(std::string runtime_class) override;
  // The pod refers to nothing any more.
  void pod_gone(const std::string& uid);
  // The cluster's Services as they are and come; pods wait until all of them are known.
  void set_service(const kube::Service& service) { services_.set(service); }
  void remove_service(const std::string& key) { services_.remove(key); }
  void services_synced() { services_known_.open(); }

  // Ends every watch.
  Awaitable<void> stop();
  [[nodiscard]] std::size_t watches() const { return config_maps_.size() + secrets_.size(); }

 private:
  template <class T>
  using Objects = std::map<std::string, std::shared_ptr<WatchedObject<T>>>;  // by "namespace/name"

  template <class T>
  std::shared_ptr<WatchedObject<T>> use(Objects<T>& objects, const std::string& ns, const std::string& name,
                                        const std::string& uid);
  template <class T>
  Awaitable<Result<void>> collect(Objects<T>& from, kube::ObjectMap<T>& to, std::string ns, std::set<std::string> names,
                                  std::string uid);
  template <class T>
  void release(Objects<T>& objects, const std::string& uid);
  Awaitable<Result<void>> collect_secret(kube::ObjectSet& out, std::string ns, std::string name);
  Awaitable<Result<void>> collect_claims(kube::ObjectSet& out, std::string ns, std::set<std::string> names);

  Executor executor_;
  kube::Api& api_;
  std::function<void(const std::vector<std::string>&)> on_change_;
  Objects<kube::ConfigMap> config_maps_;
  Objects<kube::Secret> secrets_;
  std::map<std::string, std::string> runtime_handlers_;  // by RuntimeClass, as last seen
  ServiceIndex services_;
  Latch services_known_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
