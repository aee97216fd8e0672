// ListWatch<T>: all objects of a kind, of a namespace or of a selection, as they are and as they change.
//
//   ListWatch<Service> services(executor, api, {}, {.on_set = ..., .on_delete = ..., .on_synced = ..., .on_error =
//   ...}); tasks.spawn("watch services", services.run());
//
// Every object comes by on_set when it is first seen and whenever it changed; what a new list (after a partition, or
// 410) no longer has comes by on_delete. An object deleted and made again comes as on_delete of the former UID and
// on_set. on_synced comes once, when the first list is complete. on_error comes for every failed attempt, for display
// only: trying again, with backoff, is done here. An object that does not decode is logged and passed over.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "kube/client/list_watch_core.hpp"
#include "kube/client/resource.hpp"
#include "kube/codec.hpp"

namespace keelson::kube {

struct Selection {
  std::string ns;  // empty: all namespaces
  std::string label_selector;
  std::string field_selector;
};

// One object. The Node authorizer allows a node to watch single Secrets and ConfigMaps, and only so.
[[nodiscard]] inline Selection single_object(std::string ns, const std::string& name) {
  return Selection{std::move(ns), {}, "metadata.name=" + name};
}

template <class T>
class ListWatch final : private WatchSink {
 public:
  // Called on the loop, may be empty, may not destroy the ListWatch.
  struct Handlers {
    std::function<void(std::shared_ptr<const T>)> on_set;
    std::function<void(const ObjectKey&)> on_delete;
    std::function<void()> on_synced;
    std::function<void(const Error&)> on_error;
  };

  // `api` must outlive it.
  ListWatch(const Executor& executor, Api& api, const Selection& selection, Handlers handlers,
            WatchOptions options = {})
      : handlers_(std::move(handlers)),
        core_(executor, api,
              WatchTarget{api_path(T::kApiVersion, resource_of(T::kKind), selection.ns), selection.label_selector,
                          selection.field_selector},
              *this, options) {}
  ListWatch(const ListWatch&) = delete;
  ListWatch& operator=(const ListWatch&) = delete;

  // Runs until its task is cancelled. The ListWatch must outlive the task.
  Awaitable<void> run() { return core_.run(); }
  // Ends a wait after a failure: for when the server was seen to answer.
  void retry_now() { core_.retry_now(); }
  [[nodiscard]] bool synced() const { return core_.synced(); }

 private:
  Result<void> set(const nlohmann::json& json) override {
    auto object = decode<T>(json);
    if (!object) return object.error();
    if (handlers_.on_set) handlers_.on_set(std::make_shared<const T>(std::move(*object)));
    return {};
  }
  void remove(const ObjectKey& key) override {
    if (handlers_.on_delete) handlers_.on_delete(key);
  }
  void list_complete() override {
    if (handlers_.on_synced) handlers_.on_synced();
  }
  void failed(const Error& error) override {
    if (handlers_.on_error) handlers_.on_error(error);
  }

  Handlers handlers_;
  ListWatchCore core_;
};

}  // namespace keelson::kube
