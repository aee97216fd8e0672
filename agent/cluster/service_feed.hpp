// Services and EndpointSlices of the cluster, for the proxy and for pods' environments: follows both and passes each
// change on as it comes. Keeps no objects: one change costs the same however many there are. Services without rules
// are among them, to be shown and explained; their endpoints are asked for when somebody wants to see them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/task_group.hpp"
#include "kube/client/list_watch.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/service.hpp"

namespace keelson::agent {

class ServiceFeed {
 public:
  // Of one kind. `set` has the object as it is now, `removed` its "namespace/name"; `synced` says, once, that all that
  // the API server had was given. All have to be set.
  template <class T>
  struct Handlers {
    std::function<void(const T&)> set;
    std::function<void(const std::string& key)> removed;
    std::function<void()> synced;
  };

  // `service_api` and `slice_api` may be the same; both must outlive this. EndpointSlices are read with kube-proxy's
  // credentials where a node's own may not, and not at all when `with_slices` is false.
  ServiceFeed(const Executor& executor, kube::Api& service_api, kube::Api& slice_api, bool with_slices,
              Handlers<kube::Service> services, Handlers<kube::EndpointSlice> slices);

  void start();
  Awaitable<void> stop();

  // The EndpointSlices of one Service, asked for now.
  using SliceList = std::vector<std::shared_ptr<const kube::EndpointSlice>>;
  Awaitable<Result<SliceList>> slices_of(std::string ns, std::string service);

 private:
  kube::Api& slice_api_;
  kube::ListWatch<kube::Service> service_watch_;
  kube::ListWatch<kube::EndpointSlice> slice_watch_;
  bool with_slices_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
