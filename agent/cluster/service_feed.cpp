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

template <class T>
typename kube::ListWatch<T>::Handlers ServiceFeed::follow(Followed<T>& followed) {
  const auto changed = [this, &followed] {
    followed.changed = true;
    if (followed.synced) changed_.notify();
  };
  return {.on_set =
              [&followed, changed](std::shared_ptr<const T> object) {
                followed.objects[kube::object_key(object->metadata)] = std::move(object);
                changed();
              },
          .on_delete =
              [&followed, changed](const kube::ObjectKey& key) {
                followed.objects.erase(kube::object_key(key.ns, key.name));
                changed();
              },
          .on_synced =
              [&followed, changed] {
                followed.synced = true;
                changed();
              },
          .on_error =
              [&followed](const Error& error) {
                if (error.message == followed.error) return;  // the same trouble is told once
                followed.error = error.message;
                log_warn("objects of the cluster not followed", {{"kind", followed.kind}, {"error", error}});
              }};
}

// kube-proxy's own selection of EndpointSlices (cmd/kube-proxy/app/server.go).
ServiceFeed::ServiceFeed(const Executor& executor, kube::Api& service_api, kube::Api& slice_api, bool with_slices,
                         Handlers handlers)
    : handlers_(std::move(handlers)),
      changed_(executor),
      service_watch_(executor, service_api, {}, follow(services_)),
      slice_watch_(executor, slice_api,
                   {.ns = {},
                    .label_selector = "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name",
                    .field_selector = {}},
                   follow(slices_)),
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

Awaitable<void> ServiceFeed::pass_on() {
  for (;;) {
    co_await changed_.wait();
    co_await sleep_for(kGather);
    if (services_.synced && std::exchange(services_.changed, false)) handlers_.on_services(values(services_.objects));
    if (slices_.synced && std::exchange(slices_.changed, false)) handlers_.on_slices(values(slices_.objects));
  }
}

}  // namespace keelson::agent
