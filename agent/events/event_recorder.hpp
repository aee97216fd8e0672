// Writes Kubernetes Events. record() never waits: what cannot be written now is queued, at most so much of it, and the
// rest is dropped and counted. After client-go's tools/record/event.go, but events are correlated when they happen, so
// that repetitions of one that still waits cost nothing. Lives on the loop's thread.
//
//   anyone -> record() -> queue -> run() -> POST, PATCH events
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "agent/events/event_correlator.hpp"
#include "base/clock.hpp"
#include "base/notifier.hpp"
#include "kube/client/api.hpp"

namespace keelson::agent {

struct EventLimits {
  std::size_t queue = 1000;
  int tries = 12;                                // of one event, while the API server is away
  Nanoseconds retry = std::chrono::seconds(10);  // between them; before the second a random part of it
  CorrelatorLimits correlator;
};

class EventRecorder {
 public:
  // `node` is the host that the events name; `api` and `clock` must outlive this.
  EventRecorder(const Executor& executor, kube::Api& api, const Clock& clock, const std::string& node,
                EventLimits limits = {});

  // `type` is Normal or Warning; `reason` CamelCase; an object without a namespace has its events in "default".
  void record(const kube::ObjectReference& object, const std::string& type, const std::string& reason,
              const std::string& message);

  // Writes what is recorded. Until cancelled.
  Awaitable<void> run();

  [[nodiscard]] std::size_t pending() const { return queue_.size(); }
  // Events that never reached the API server: the queue was full, it was away too long, or it refused them.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  struct Pending {
    kube::Event event;
    bool exists = false;  // it was written before: only its count changes
  };
  using Queue = std::list<Pending>;

  Awaitable<void> write_first();
  Awaitable<Result<void>> write(kube::Event event, bool exists);
  void drop(const kube::Event& event, std::string_view why);

  kube::Api& api_;
  const Clock& clock_;
  EventLimits limits_;
  EventCorrelator correlator_;
  Notifier wake_;  // record() -> run()
  Queue queue_;
  std::unordered_map<std::string, Queue::iterator> waiting_;  // not being sent, by namespace/name
  std::uint64_t dropped_ = 0;
  bool away_ = false;
};

// The Node in events, with its name for its UID: the name is known before the UID is, and kubectl looks for both.
[[nodiscard]] kube::ObjectReference node_reference(const std::string& name);

// The Service "namespace/name" in events. Its UID is not known where its rules are; kube-proxy writes the same instead.
[[nodiscard]] kube::ObjectReference service_reference(const std::string& key);

}  // namespace keelson::agent
