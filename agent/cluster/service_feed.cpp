#include "agent/cluster/service_feed.hpp"

#include "base/log.hpp"

namespace keelson::agent {
namespace {

template <class T>
typename kube::ListWatch<T>::Handlers watch_handlers(const char* kind, ServiceFeed::Handlers<T> handlers) {
  return {.on_set = [set = std::move(handlers.set)](std::shared_ptr<const T> object) { set(*object); },
          .on_delete = [removed = std::move(handlers.removed)](
                           const kube::ObjectKey& key) { removed(kube::object_key(key.ns, key.name)); },
          .on_synced = std::move(handlers.synced),
          .on_error =
              [kind, told = std::string()](const Error& error) mutable {
                if (error.message == told) return;  // the same trouble is told once
                told = error.message;
                log_warn("objects of the cluster not followed", {{"kind", kind}, {"error", error}});
              }};
}

// kube-proxy's own selections (cmd/kube-proxy/app/server.go). Headless Services have neither rules nor variables.
constexpr const char* kProxied = "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name";
constexpr const char* kWithAddress = "spec.clusterIP!=None";

kube::Selection service_selection(ServiceFeed::Which which) {
  return {
      .ns = {}, .label_selector = which == ServiceFeed::Which::proxied ? kProxied : "", .field_selector = kWithAddress};
}

}  // namespace

ServiceFeed::ServiceFeed(const Executor& executor, kube::Api& service_api, kube::Api& slice_api, bool with_slices,
                         Which which, Handlers<kube::Service> services, Handlers<kube::EndpointSlice> slices)
    : service_watch_(executor, service_api, service_selection(which),
                     watch_handlers<kube::Service>("Services", std::move(services))),
      slice_watch_(executor, slice_api, kube::Selection{.ns = {}, .label_selector = kProxied, .field_selector = {}},
                   watch_handlers<kube::EndpointSlice>("EndpointSlices", std::move(slices))),
      with_slices_(with_slices),
      tasks_(executor) {}

void ServiceFeed::start() {
  tasks_.spawn("watch of Services", service_watch_.run());
  if (with_slices_) tasks_.spawn("watch of EndpointSlices", slice_watch_.run());
}

Awaitable<void> ServiceFeed::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace keelson::agent
