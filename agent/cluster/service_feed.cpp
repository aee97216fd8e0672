#include "agent/cluster/service_feed.hpp"

#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "kube/client/objects.hpp"

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

// kube-proxy's own selection of slices (cmd/kube-proxy/app/server.go).
constexpr const char* kProxied = "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name";

}  // namespace

ServiceFeed::ServiceFeed(const Executor& executor, kube::Api& service_api, kube::Api& slice_api, bool with_slices,
                         Handlers<kube::Service> services, Handlers<kube::EndpointSlice> slices)
    : slice_api_(slice_api),
      service_watch_(executor, service_api, kube::Selection{},
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

Awaitable<Result<ServiceFeed::SliceList>> ServiceFeed::slices_of(std::string ns, std::string service) {
  const std::string label = std::string(kube::EndpointSlice::kServiceNameLabel) + "=" + service;
  const std::string path = kube::with_query(kube::list_path<kube::EndpointSlice>(ns), "labelSelector", label);
  kube::ApiRequest request = kube::api_request("GET", path);
  const Result<std::string> answer = co_await slice_api_.send(std::move(request));
  if (!answer) co_return answer.error();
  const auto document = kube::parse_answer(*answer);
  if (!document) co_return document.error().context(path);
  SliceList out;
  const nlohmann::json& list = **document;
  for (const auto& item : list.value("items", nlohmann::json::array())) {
    auto slice = kube::decode<kube::EndpointSlice>(item);
    if (!slice) co_return make_error(Errc::internal, path + ": " + slice.error().message);
    out.push_back(std::make_shared<const kube::EndpointSlice>(std::move(*slice)));
  }
  co_return out;
}

}  // namespace keelson::agent
