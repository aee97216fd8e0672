// What happened in the runtime, as hints: a lost or doubled one never makes a wrong state, since who is told looks at
// the runtime itself. Source, in order: CRI GetContainerEvents; containerd's event service on the same socket; where
// neither is served, a relist tick, 1 s while things change and up to 10 s when they do not.
//
// Only what others caused is told: containers that stopped, ran out of memory, were paused or deleted; not each create
// and start, since the agent made those itself. A `stopped` is told when CRI shows it: containerd's own event comes
// some milliseconds before.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cri/client.hpp"

namespace keelson::cri {

struct ContainerEvent {
  enum class Kind {
    stopped,  // the container's or sandbox's process ended
    deleted,  // it is no longer in the runtime
    oom,      // the kernel killed a process in its cgroup
    changed,  // paused, resumed
  };
  std::string container_id;  // a sandbox's own id where the sandbox itself is meant
  std::string sandbox_id;    // may be empty: not known
  Kind kind = Kind::stopped;
  bool operator==(const ContainerEvent&) const = default;
};

[[nodiscard]] std::string_view to_string(ContainerEvent::Kind kind);

struct EventHandlers {
  std::function<void(const ContainerEvent&)> on_event;
  // Anything may have been missed: list everything. After each (re)subscribe, each relist tick, and every 60 s.
  std::function<void()> on_resync;
};

class EventStream {
 public:
  // Handlers are called on the loop. `client` outlives this.
  EventStream(Executor executor, Client& client, EventHandlers handlers);
  ~EventStream();

  void start();
  // Returns when nothing of it runs any more; no handler is called after.
  Awaitable<void> stop();

  // Tell it that something changed or is being changed: relist ticks, where they are the source, come each second
  // again.
  void note_activity();
  // "cri", "containerd", "relist": what events come from now.
  [[nodiscard]] std::string_view source() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::cri
