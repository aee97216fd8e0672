// Services and EndpointSlices of the cluster, for the proxy and for pods' environments: follows both, and passes whole
// lists on once changes have gathered for a moment.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "kube/client/list_watch.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/service.hpp"

namespace keelson::agent {

class ServiceFeed {
 public:
  using ServiceList = std::vector<std::shared_ptr<const kube::Service>>;
  using SliceList = std::vector<std::shared_ptr<const kube::EndpointSlice>>;
  struct Handlers {
    std::function<void(const ServiceList&)> on_services;  // also once at the start, when all are known
    std::function<void(const SliceList&)> on_slices;
  };

  // `service_api` and `slice_api` may be the same; both must outlive this. EndpointSlices are read with kube-proxy's
  // credentials where a node's own may not.
  ServiceFeed(const Executor& executor, kube::Api& service_api, kube::Api& slice_api, bool with_slices,
              Handlers handlers);

  void start();
  Awaitable<void> stop();

 private:
  // What is known of one kind.
  template <class T>
  struct Followed {
    const char* kind;
    std::map<std::string, std::shared_ptr<const T>> objects;  // by "namespace/name"
    bool synced = false, changed = false;
    std::string error;  // the last that was told
  };
  template <class T>
  typename kube::ListWatch<T>::Handlers follow(Followed<T>& followed);
  Awaitable<void> pass_on();

  Handlers handlers_;
  Followed<kube::Service> services_{.kind = "Services", .objects = {}, .error = {}};
  Followed<kube::EndpointSlice> slices_{.kind = "EndpointSlices", .objects = {}, .error = {}};
  Notifier changed_;
  kube::ListWatch<kube::Service> service_watch_;
  kube::ListWatch<kube::EndpointSlice> slice_watch_;
  bool with_slices_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
