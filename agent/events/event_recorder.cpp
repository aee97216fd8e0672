#include "agent/events/event_recorder.hpp"

#include <nlohmann/json.hpp>
#include <random>

#include "base/log.hpp"
#include "kube/client/objects.hpp"

namespace keelson::agent {
namespace {

// What another try can change.
bool is_away(Errc code) {
  return code == Errc::unavailable || code == Errc::deadline_exceeded || code == Errc::resource_exhausted;
}

Nanoseconds random_part(Nanoseconds of) {
  static thread_local std::minstd_rand engine{std::random_device{}()};
  return Nanoseconds(std::uniform_int_distribution<std::int64_t>(0, of.count())(engine));
}

std::string count_patch(const kube::Event& event) {
  return kube::to_text({{"count", event.count},
                        {"message", event.message},
                        {"lastTimestamp", kube::format_time(*event.last_timestamp)}});
}

}  // namespace

kube::ObjectReference node_reference(const std::string& name) {
  kube::ObjectReference reference;
  reference.api_version = "v1";
  reference.kind = "Node";
  reference.name = name;
  reference.uid = name;
  return reference;
}

// (pkg/proxy/healthcheck/service_health.go)
kube::ObjectReference service_reference(const std::string& key) {
  const auto slash = key.find('/');
  kube::ObjectReference reference;
  reference.api_version = "v1";
  reference.kind = "Service";
  reference.ns = key.substr(0, slash);
  reference.name = key.substr(slash + 1);
  reference.uid = key;
  return reference;
}

EventRecorder::EventRecorder(const Executor& executor, kube::Api& api, const Clock& clock, const std::string& node,
                             EventLimits limits)
    : api_(api), clock_(clock), limits_(limits), correlator_({"kubelet", node}, limits.correlator), wake_(executor) {}

void EventRecorder::record(const kube::ObjectReference& object, const std::string& type, const std::string& reason,
                           const std::string& message) {
  auto event = correlator_.correlate(object, type, reason, message, clock_.now());
  if (!event) return;
  const std::string key = kube::object_key(event->metadata);
  if (const auto same = waiting_.find(key); same != waiting_.end()) {
    same->second->event = std::move(*event);
    return;
  }
  if (queue_.size() >= limits_.queue) return drop(*event, "too many events wait for the API server");
  const bool exists = event->count > 1;
  queue_.push_back({std::move(*event), exists});
  waiting_[key] = std::prev(queue_.end());
  wake_.notify();
}

Awaitable<void> EventRecorder::run() {
  while (true) {
    if (queue_.empty()) {
      co_await wake_.wait();
    } else {
      co_await write_first();
    }
  }
}

Awaitable<void> EventRecorder::write_first() {
  for (int i = 1;; ++i) {
    Pending& first = queue_.front();  // it stays in its place: only this takes from the queue
    waiting_.erase(kube::object_key(first.event.metadata));
    Result<void> written = co_await write(first.event, first.exists);
    if (written) {
      if (away_) log_info("events are written again", {{"waiting", queue_.size() - 1}});
      away_ = false;
      break;
    }
    const Error& error = written.error();
    if (!is_away(error.code) || i >= limits_.tries) {
      drop(queue_.front().event, error.message);
      break;
    }
    if (!away_) log_warn("an event could not be written, trying again", {{"error", error}});
    away_ = true;
    const Nanoseconds delay = i == 1 ? random_part(limits_.retry) : limits_.retry;
    co_await sleep_for(delay);
  }
  queue_.pop_front();
}

Awaitable<Result<void>> EventRecorder::write(kube::Event event, bool exists) {
  if (exists) {
    std::string none;
    std::string body = count_patch(event);
    Result<kube::Event> patched =
        co_await kube::patch<kube::Event>(api_, event.metadata.ns, event.metadata.name, none, std::move(body));
    if (patched) co_return Result<void>();
    if (patched.error().code != Errc::not_found) co_return patched.error();  // it expired: written anew
  }
  Result<kube::Event> made = co_await kube::create(api_, event);
  if (!made && made.error().code != Errc::already_exists) co_return made.error();  // a lost answer, and it is there
  co_return Result<void>();
}

void EventRecorder::drop(const kube::Event& event, std::string_view why) {
  ++dropped_;
  log_debug("event dropped", {{"object", kube::object_key(event.involved_object.ns, event.involved_object.name)},
                              {"reason", event.reason},
                              {"why", why}});
}

}  // namespace keelson::agent
