#include "cri/events.hpp"

#include <utility>

#include "base/log.hpp"
#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "cri/channel.hpp"
#include "cri/event_decode.hpp"
#include "cri/event_schedule.hpp"

namespace keelson::cri {
namespace {

constexpr const char* kGetContainerEvents = "/runtime.v1.RuntimeService/GetContainerEvents";
constexpr const char* kSubscribe = "/containerd.services.events.v1.Events/Subscribe";
constexpr Milliseconds kLookTimeout = std::chrono::seconds(10);

SteadyTime now() { return std::chrono::steady_clock::now(); }

// What CRI knows of an id: of which sandbox it is, and whether it still counts as running, or as about to run: a
// process may end before the call that starts it has returned.
struct Look {
  std::string sandbox_id;
  bool running = false;
};

Awaitable<Result<Look>> look_up(RuntimeService& runtime, std::string id) {
  v1::ListContainersRequest containers;
  containers.mutable_filter()->set_id(id);
  CO_TRY(auto found, co_await runtime.list_containers(std::move(containers), kLookTimeout));
  Look look;
  if (found.containers_size() > 0) {
    look.sandbox_id = found.containers(0).pod_sandbox_id();
    const auto state = found.containers(0).state();
    look.running = state == v1::CONTAINER_RUNNING || state == v1::CONTAINER_CREATED;
    co_return look;
  }
  v1::ListPodSandboxRequest sandboxes;
  sandboxes.mutable_filter()->set_id(id);
  CO_TRY(auto pods, co_await runtime.list_pod_sandbox(std::move(sandboxes), kLookTimeout));
  if (pods.items_size() > 0) {
    look.sandbox_id = id;
    look.running = pods.items(0).state() == v1::SANDBOX_READY;
  }
  co_return look;
}

}  // namespace

// Shared with its coroutines, so that they may end after the EventStream. Those take it by value: see the members.
struct EventStream::State {
  State(const Executor& executor, Client& c, EventHandlers h)
      : client(c), handlers(std::move(h)), schedule_changed(executor), reconnected(executor), tasks(executor) {}

  Client& client;
  EventHandlers handlers;
  bool closed = false;
  EventSchedule schedule;
  Notifier schedule_changed;  // subscribe/relist -> resync_loop
  Notifier reconnected;       // resync_loop -> relist
  unsigned connections_seen = 0;
  TaskGroup tasks;

  using Ptr = std::shared_ptr<State>;

  void emit(const ContainerEvent& event) {
    schedule.activity(now());
    if (!closed && handlers.on_event) handlers.on_event(event);
  }

  // One source after the other, for ever.
  static Awaitable<void> run(Ptr self) {
    for (;;) {
      Nanoseconds wait{};
      const auto source = self->schedule.source();
      if (source == EventSource::cri) wait = co_await follow<v1::ContainerEventResponse>(self);
      if (source == EventSource::containerd) wait = co_await follow<containerd::Envelope>(self);
      if (source == EventSource::relist) co_await relist(self);
      if (wait.count() > 0) co_await sleep_for(wait);
    }
  }

  std::unique_ptr<ServerStream> open() {
    auto& channel = client.channel();
    if (schedule.source() == EventSource::cri) {
      return channel.open_stream(kGetContainerEvents, v1::GetEventsRequest());
    }
    return channel.open_stream(kSubscribe, containerd_subscription());
  }

  // Reads one stream to its end. Returns how long to wait after it.
  template <class Message>
  static Awaitable<Nanoseconds> follow(Ptr self) {
    auto& schedule = self->schedule;
    auto answered = co_await self->client.wait_connected();
    if (!answered) {
      if (answered.error().code != Errc::cancelled) {
        log_warn("the runtime does not tell its version", {{"error", answered.error()}});
      }
      co_return schedule.unreachable();
    }
    auto stream = self->open();
    schedule.opened(now());
    self->schedule_changed.notify();
    const auto source = schedule.source();
    std::optional<Errc> error;
    std::string why = "ended by the runtime";
    for (;;) {
      Message message;
      auto more = co_await stream->next(message);
      if (!more) {
        error = more.error().code;
        why = more.error().message;
      }
      if (!more || !*more) break;
      if (auto event = decode(message)) self->received(self, source, std::move(*event));
    }
    const auto wait = schedule.ended(error, now());
    self->schedule_changed.notify();
    if (error != Errc::cancelled && error != Errc::unimplemented) {
      log_warn("runtime event stream ended", {{"source", to_string(source)}, {"error", why}});
    }
    if (schedule.source() != source) {
      log_info("runtime events come from another source",
               {{"from", to_string(source)}, {"to", to_string(schedule.source())}, {"why", why}});
    }
    co_return wait;
  }

  void received(const Ptr& self, EventSource source, ContainerEvent event) {
    const bool early = source == EventSource::containerd && event.kind == ContainerEvent::Kind::stopped;
    if (early) return tasks.spawn("confirm that a container stopped", confirm(self, std::move(event)));
    emit(event);
  }

  // containerd tells of an exit before its CRI plugin has taken note: wait, some milliseconds as a rule, until it has.
  // On a busy machine that takes seconds, and there is no second event. When CRI cannot be asked, who listens may try
  // for itself meanwhile, and is told again once it is sure.
  static Awaitable<void> confirm(Ptr self, ContainerEvent event) {
    constexpr Seconds kLongest{40};
    const SteadyTime until = now() + kLongest;
    bool told = false;
    for (Milliseconds wait{5};; wait *= 2) {
      const auto look = co_await look_up(self->client, event.container_id);
      if (!look && look.error().code == Errc::cancelled) co_return;
      if (look) event.sandbox_id = look->sandbox_id;
      if ((look && !look->running) || now() >= until) break;
      if (!look && !std::exchange(told, true)) self->emit(event);
      co_await sleep_for(wait);
    }
    self->emit(event);
  }

  // Ticks (by resync_loop) are all there is, until the runtime went and came back.
  static Awaitable<void> relist(Ptr self) {
    self->schedule.opened(now());
    self->connections_seen = self->client.channel().connections();
    self->schedule_changed.notify();
    co_await self->reconnected.wait();
    self->schedule.restart();
    self->schedule_changed.notify();
  }

  static Awaitable<void> resync_loop(Ptr self) {
    for (;;) {
      const bool rescheduled = co_await self->schedule_changed.wait_until(self->schedule.next_resync());
      if (rescheduled) continue;
      self->schedule.resynced(now());
      if (self->schedule.source() == EventSource::relist &&
          self->connections_seen != self->client.channel().connections()) {
        self->reconnected.notify();
      }
      if (!self->closed && self->handlers.on_resync) self->handlers.on_resync();
    }
  }
};

EventStream::EventStream(Executor executor, Client& client, EventHandlers handlers)
    : state_(std::make_shared<State>(executor, client, std::move(handlers))) {}

EventStream::~EventStream() {
  state_->closed = true;
  state_->tasks.cancel();
}

void EventStream::start() {
  state_->tasks.spawn("runtime events", State::run(state_));
  state_->tasks.spawn("runtime resync", State::resync_loop(state_));
}

Awaitable<void> EventStream::stop() {
  auto state = state_;
  state->closed = true;
  state->tasks.cancel();
  co_await state->tasks.join();
}

void EventStream::note_activity() {
  state_->schedule.activity(now());
  if (state_->schedule.source() == EventSource::relist) state_->schedule_changed.notify();
}

std::string_view EventStream::source() const { return to_string(state_->schedule.source()); }

}  // namespace keelson::cri
