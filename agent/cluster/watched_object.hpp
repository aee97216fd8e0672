// One ConfigMap or Secret of the API server, kept current for the pods that refer to it.
#pragma once

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/latch.hpp"
#include "base/notifier.hpp"
#include "kube/client/list_watch.hpp"

namespace keelson::agent {

template <class T>
class WatchedObject {
 public:
  using OnChange = std::function<void(const std::set<std::string>& users)>;

  WatchedObject(const Executor& executor, kube::Api& api, const std::string& ns, const std::string& name,
                OnChange on_change)
      : known_(executor),
        released_(executor),
        on_change_(std::move(on_change)),
        watch_(executor, api, kube::single_object(ns, name),
               {.on_set = [this](std::shared_ptr<const T> object) { take(std::move(object)); },
                .on_delete = [this](const kube::ObjectKey&) { take(nullptr); },
                .on_synced = [this] { known_.open(); },
                .on_error = [this](const Error& error) { error_ = error; }}) {}

  // Until released, or until the object can never change.
  static Awaitable<void> run(std::shared_ptr<WatchedObject> self) {
    using boost::asio::experimental::awaitable_operators::operator||;
    co_await (self->watch_.run() || self->released_.wait());
  }
  void release() { released_.notify(); }

  // True once it was looked for; false when `patience` ended first.
  Awaitable<bool> known(Nanoseconds patience) { return known_.wait_for(patience); }
  // Null: there is none.
  [[nodiscard]] const std::shared_ptr<const T>& object() const { return object_; }
  // Why nothing is known yet.
  [[nodiscard]] std::string trouble() const { return error_ ? error_->message : "no answer yet"; }

  std::set<std::string> users;  // UIDs of the pods

 private:
  void take(std::shared_ptr<const T> object) {
    const bool first = !known_.is_open();
    object_ = std::move(object);
    if (object_ && object_->immutable.value_or(false)) {
      known_.open();
      release();
    }
    if (!first) on_change_(users);
  }

  Latch known_;
  Notifier released_;
  OnChange on_change_;
  std::shared_ptr<const T> object_;
  std::optional<Error> error_;
  kube::ListWatch<T> watch_;
};

}  // namespace keelson::agent
