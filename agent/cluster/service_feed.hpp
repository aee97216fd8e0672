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
  Awaitable<void> pass_on();
  void failed(const char* what, std::string& last, const Error& error);

  Handlers handlers_;
  std::map<std::string, std::shared_ptr<const kube::Service>> services_;
  std::map<std::string, std::shared_ptr<const kube::EndpointSlice>> slices_;
  bool services_changed_ = false, slices_changed_ = false;
  std::string services_error_, slices_error_;
  Notifier changed_;
  kube::ListWatch<kube::Service> service_watch_;
  kube::ListWatch<kube::EndpointSlice> slice_watch_;
  bool with_slices_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
