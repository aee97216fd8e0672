#include "agent/cluster/service_feed.hpp"

#include "base/log.hpp"

namespace keelson::agent {
namespace {

constexpr Nanoseconds kGather = Milliseconds(10);

template <class Map>
auto values(const Map& map) {
  std::vector<typename Map::mapped_type> out;
  out.reserve(map.size());
  for (const auto& [key, value] : map) out.push_back(value);
  return out;
}

}  // namespace

// kube-proxy's own selection of EndpointSlices (cmd/kube-proxy/app/server.go).
ServiceFeed::ServiceFeed(const Executor& executor, kube::Api& service_api, kube::Api& slice_api, bool with_slices,
                         Handlers handlers)
    : handlers_(std::move(handlers)),
      changed_(executor),
      service_watch_(executor, service_api, {},
                     {.on_set =
                          [this](std::shared_ptr<const kube::Service> service) {
                            services_[kube::object_key(service->metadata)] = std::move(service);
                            services_changed_ = true;
                            if (service_watch_.synced()) changed_.notify();
                          },
                      .on_delete =
                          [this](const kube::ObjectKey& key) {
                            services_.erase(kube::object_key(key.ns, key.name));
                            services_changed_ = true;
                            changed_.notify();
                          },
                      .on_synced =
                          [this] {
                            services_changed_ = true;
                            changed_.notify();
                          },
                      .on_error = [this](const Error& error) { failed("Services", services_error_, error); }}),
      slice_watch_(executor, slice_api,
                   {.ns = {},
                    .label_selector = "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name",
                    .field_selector = {}},
                   {.on_set =
                        [this](std::shared_ptr<const kube::EndpointSlice> slice) {
                          slices_[kube::object_key(slice->metadata)] = std::move(slice);
                          slices_changed_ = true;
                          if (slice_watch_.synced()) changed_.notify();
                        },
                    .on_delete =
                        [this](const kube::ObjectKey& key) {
                          slices_.erase(kube::object_key(key.ns, key.name));
                          slices_changed_ = true;
                          changed_.notify();
                        },
                    .on_synced =
                        [this] {
                          slices_changed_ = true;
                          changed_.notify();
                        },
                    .on_error = [this](const Error& error) { failed("EndpointSlices", slices_error_, error); }}),
      with_slices_(with_slices),
      tasks_(executor) {}

void ServiceFeed::start() {
  tasks_.spawn("watch of Services", service_watch_.run());
  if (with_slices_) tasks_.spawn("watch of EndpointSlices", slice_watch_.run());
  tasks_.spawn("Services", pass_on());
}

Awaitable<void> ServiceFeed::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

// The same trouble is told once.
void ServiceFeed::failed(const char* what, std::string& last, const Error& error) {
  if (error.message == last) return;
  last = error.message;
  log_warn("objects of the cluster not followed", {{"kind", what}, {"error", error}});
}

Awaitable<void> ServiceFeed::pass_on() {
  for (;;) {
    co_await changed_.wait();
    co_await sleep_for(kGather);
    if (std::exchange(services_changed_, false) && service_watch_.synced()) handlers_.on_services(values(services_));
    if (std::exchange(slices_changed_, false) && slice_watch_.synced()) handlers_.on_slices(values(slices_));
  }
}

}  // namespace keelson::agent
