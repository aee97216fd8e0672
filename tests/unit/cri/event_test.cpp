#include <catch2/catch.hpp>

#include "cri/event_decode.hpp"
#include "cri/event_schedule.hpp"

namespace keelson::cri {
namespace {

using namespace std::chrono_literals;
using Kind = ContainerEvent::Kind;

containerd::Envelope envelope(const std::string& type, const std::string& value, const std::string& ns = "k8s.io") {
  containerd::Envelope out;
  out.set_namespace_(ns);
  out.mutable_event()->set_type_url(type);
  out.mutable_event()->set_value(value);
  return out;
}

std::string task_exit(const std::string& container, const std::string& id) {
  containerd::TaskExit exit;
  exit.set_container_id(container);
  exit.set_id(id);
  exit.set_pid(17);
  exit.set_exit_status(137);
  return exit.SerializeAsString();
}

TEST_CASE("CRI events: ends and deletions are told, what the agent made itself is not") {
  v1::ContainerEventResponse event;
  event.set_container_id("c1");
  event.mutable_pod_sandbox_status()->set_id("s1");
  event.set_container_event_type(v1::CONTAINER_CREATED_EVENT);
  CHECK(decode(event) == std::nullopt);
  event.set_container_event_type(v1::CONTAINER_STARTED_EVENT);
  CHECK(decode(event) == std::nullopt);
  event.set_container_event_type(v1::CONTAINER_STOPPED_EVENT);
  CHECK(decode(event) == ContainerEvent{"c1", "s1", Kind::stopped});
  event.set_container_event_type(v1::CONTAINER_DELETED_EVENT);
  event.clear_pod_sandbox_status();
  CHECK(decode(event) == ContainerEvent{"c1", "", Kind::deleted});
  event.clear_container_id();
  CHECK(decode(event) == std::nullopt);
}

TEST_CASE("containerd events") {
  const auto exit = task_exit("c1", "c1");
  CHECK(decode(envelope("containerd.events.TaskExit", exit)) == ContainerEvent{"c1", "", Kind::stopped});
  CHECK(decode(envelope("types.containerd.io/containerd.events.TaskExit", exit)) ==
        ContainerEvent{"c1", "", Kind::stopped});
  const std::string id("\x0a\x02s1", 4);  // field 1, "s1": what the rest of them have in common
  CHECK(decode(envelope("containerd.events.TaskOOM", id)) == ContainerEvent{"s1", "", Kind::oom});
  CHECK(decode(envelope("containerd.events.TaskPaused", id)) == ContainerEvent{"s1", "", Kind::changed});
  CHECK(decode(envelope("containerd.events.TaskResumed", id)) == ContainerEvent{"s1", "", Kind::changed});
  CHECK(decode(envelope("containerd.events.ContainerDelete", id)) == ContainerEvent{"s1", "", Kind::deleted});
  CHECK(decode(envelope("containerd.events.SandboxExit", id)) == ContainerEvent{"s1", "", Kind::stopped});
}

TEST_CASE("containerd events that are none of ours") {
  CHECK(decode(envelope("containerd.events.TaskExit", task_exit("c1", "exec-4f"))) == std::nullopt);
  CHECK(decode(envelope("containerd.events.TaskExit", task_exit("c1", "c1"), "moby")) == std::nullopt);
  CHECK(decode(envelope("containerd.events.TaskExit", "\x0a\xff broken")) == std::nullopt);
  CHECK(decode(envelope("containerd.events.TaskExit", "")) == std::nullopt);
  CHECK(decode(envelope("containerd.events.TaskStart", task_exit("c1", ""))) == std::nullopt);
  CHECK(decode(containerd::Envelope()) == std::nullopt);
}

TEST_CASE("the subscription filters by topic in the runtime") {
  const auto request = containerd_subscription();
  REQUIRE(request.filters_size() == 6);
  CHECK(request.filters(0) == R"(namespace==k8s.io,topic=="/tasks/exit")");
  for (const auto& filter : request.filters()) CHECK(filter.find("create") == std::string::npos);
}

constexpr SteadyTime kStart{1000s};

TEST_CASE("how a stream ended decides the next source and the wait") {
  struct Case {
    std::optional<Errc> error;
    EventSource want;
    Nanoseconds wait;
  };
  const auto [error, want, wait] = GENERATE(values<Case>({
      {Errc::unimplemented, EventSource::containerd, 0ms},
      {Errc::unavailable, EventSource::cri, 100ms},
      {Errc::internal, EventSource::cri, 100ms},
      {std::nullopt, EventSource::cri, 100ms},
  }));
  EventSchedule schedule;
  CHECK(schedule.source() == EventSource::cri);
  CHECK_FALSE(schedule.next_resync());
  schedule.opened(kStart);
  CHECK(schedule.ended(error, kStart + 1ms) == wait);
  CHECK(schedule.source() == want);
  CHECK_FALSE(schedule.next_resync());
}

TEST_CASE("a runtime without any events is relisted") {
  EventSchedule schedule;
  schedule.opened(kStart);
  CHECK(schedule.ended(Errc::unimplemented, kStart) == 0ms);
  schedule.opened(kStart);
  CHECK(schedule.ended(Errc::unimplemented, kStart) == 0ms);
  CHECK(schedule.source() == EventSource::relist);
  schedule.restart();
  CHECK(schedule.source() == EventSource::cri);
}

TEST_CASE("streams that do not live are given up after five, waits double") {
  EventSchedule schedule;
  for (const auto want : {100ms, 200ms, 400ms, 800ms, 0ms}) {
    CHECK(schedule.source() == EventSource::cri);
    schedule.opened(kStart);
    CHECK(schedule.ended(Errc::internal, kStart + 1s) == want);
  }
  CHECK(schedule.source() == EventSource::containerd);
}

TEST_CASE("a stream that lived clears the count and the wait") {
  EventSchedule schedule;
  for (int i = 0; i < 20; ++i) {
    schedule.opened(kStart);
    CHECK(schedule.ended(std::nullopt, kStart + 10s) == 100ms);
    CHECK(schedule.source() == EventSource::cri);
  }
}

TEST_CASE("waits for a runtime that is gone end at three seconds, and begin with the first source") {
  EventSchedule schedule;
  schedule.opened(kStart);
  CHECK(schedule.ended(Errc::unimplemented, kStart) == 0ms);
  schedule.opened(kStart);
  CHECK(schedule.ended(Errc::unavailable, kStart + 1h) == 100ms);
  CHECK(schedule.source() == EventSource::cri);
  Nanoseconds last{};
  for (int i = 0; i < 10; ++i) last = schedule.unreachable();
  CHECK(last == 3s);
}

TEST_CASE("a stream is resynced at once, when it has settled, and every minute") {
  EventSchedule schedule;
  schedule.opened(kStart);
  CHECK(schedule.next_resync() == kStart);
  schedule.resynced(kStart + 1ms);
  CHECK(schedule.next_resync() == kStart + 500ms);
  schedule.resynced(kStart + 501ms);
  CHECK(schedule.next_resync() == kStart + 501ms + 60s);
  schedule.activity(kStart + 1s);
  CHECK(schedule.next_resync() == kStart + 501ms + 60s);
  schedule.resynced(kStart + 70s);
  CHECK(schedule.next_resync() == kStart + 130s);
}

TEST_CASE("relist ticks slow down while nothing happens and come fast again with activity") {
  EventSchedule schedule;
  schedule.opened(kStart);
  schedule.ended(Errc::unimplemented, kStart);
  schedule.opened(kStart);
  schedule.ended(Errc::unimplemented, kStart);
  auto now = kStart;
  schedule.opened(now);
  for (const auto want : {1000ms, 1500ms, 2250ms, 3375ms}) {
    REQUIRE(schedule.next_resync() == now);
    schedule.resynced(now);
    CHECK(*schedule.next_resync() - now == want);
    now = *schedule.next_resync();
  }
  for (int i = 0; i < 10; ++i) schedule.resynced(now);
  CHECK(*schedule.next_resync() - now == 10s);
  schedule.activity(now);
  CHECK(*schedule.next_resync() - now == 1s);
}

}  // namespace
}  // namespace keelson::cri
