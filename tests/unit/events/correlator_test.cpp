#include <catch2/catch.hpp>

#include "agent/events/event_correlator.hpp"
#include "agent/events/pod_events.hpp"

using namespace keelson;
using namespace keelson::agent;

namespace {

const SystemTime kStart{Seconds(1767225600)};

kube::ObjectReference pod(const std::string& name = "web") {
  kube::ObjectReference object;
  object.api_version = "v1";
  object.kind = "Pod";
  object.ns = "default";
  object.name = name;
  object.uid = "uid-" + name;
  return object;
}

struct World {
  EventCorrelator correlator{{"kubelet", "n1"}};
  SystemTime now = kStart;
  std::optional<kube::Event> say(const std::string& message, const std::string& reason = "BackOff",
                                 const kube::ObjectReference& object = pod()) {
    return correlator.correlate(object, "Warning", reason, message, now);
  }
};

}  // namespace

TEST_CASE("an event says who saw what of what, and when") {
  World w;
  const auto event = w.say("m");
  REQUIRE(event);
  CHECK(event->metadata.ns == "default");
  CHECK(event->metadata.name == "web.18867251edfa0000");
  CHECK(event->involved_object == pod());
  CHECK(event->type == "Warning");
  CHECK(event->source == kube::EventSource{"kubelet", "n1"});
  CHECK(event->reporting_component == "kubelet");
  CHECK(event->reporting_instance == "n1");
  CHECK(event->first_timestamp == kStart);
  CHECK(event->last_timestamp == kStart);
  CHECK(event->count == 1);
}

TEST_CASE("names are unique within a nanosecond, and valid for long objects") {
  World w;
  CHECK(w.say("a")->metadata.name != w.say("b")->metadata.name);
  const auto event = w.say("c", "r", pod(std::string(250, 'a')));
  CHECK(event->metadata.name.size() == 36);
  kube::ObjectReference node;
  node.kind = "Node";
  node.name = "n1";
  CHECK(w.say("d", "r", node)->metadata.ns == "default");
}

TEST_CASE("the same event again is the first one with a higher count") {
  World w;
  const auto first = w.say("m");
  w.now += Seconds(60);
  const auto second = w.say("m");
  REQUIRE(second);
  CHECK(second->metadata.name == first->metadata.name);
  CHECK(second->count == 2);
  CHECK(second->first_timestamp == kStart);
  CHECK(second->last_timestamp == w.now);
  auto of_container = pod();
  of_container.field_path = "spec.containers{a}";
  CHECK(w.say("m", "BackOff", of_container)->count == 1);
  CHECK(w.say("m", "Other")->count == 1);
}

TEST_CASE("ten different messages within ten minutes are combined") {
  World w;
  for (int i = 1; i < 10; ++i) CHECK(w.say("m" + std::to_string(i))->message == "m" + std::to_string(i));
  const auto tenth = w.say("m10");
  CHECK(tenth->message == "(combined from similar events): m10");
  CHECK(tenth->count == 1);
  const auto next = w.say("m11");
  CHECK(next->metadata.name == tenth->metadata.name);
  CHECK(next->message == "(combined from similar events): m11");
  CHECK(next->count == 2);
  CHECK(w.say("m1", "Other")->message == "m1");
  w.now += std::chrono::minutes(10) + Seconds(1);
  CHECK(w.say("m12")->message == "m12");
}

TEST_CASE("too much about one object is dropped, but counted") {
  World w;
  for (int i = 0; i < 25; ++i) REQUIRE(w.say("m"));
  CHECK_FALSE(w.say("m"));
  CHECK(w.say("m", "BackOff", pod("other")));
  w.now += Seconds(299);
  CHECK_FALSE(w.say("m"));
  w.now += Seconds(2);
  const auto event = w.say("m");
  REQUIRE(event);
  CHECK(event->count == 28);
  CHECK_FALSE(w.say("m"));
}

TEST_CASE("memory is bounded, and forgets what is oldest") {
  LruMap<int> map(2);
  map["a"] = 1;
  map["b"] = 2;
  map["a"] += 1;
  map["c"] = 3;
  CHECK(map.size() == 2);
  CHECK(map["a"] == 2);
  CHECK(map["b"] == 0);
}

TEST_CASE("what the journal's objects are to Kubernetes") {
  kube::Pod p;
  p.metadata.name = "web";
  p.metadata.ns = "d";
  p.metadata.uid = "u";
  p.spec.containers.resize(1);
  p.spec.containers[0].name = "main";
  p.spec.init_containers.resize(1);
  p.spec.init_containers[0].name = "setup";
  REQUIRE(event_object(p, "pod"));
  CHECK(event_object(p, "pod")->uid == "u");
  CHECK(event_object(p, "pod")->field_path.empty());
  CHECK(event_object(p, "container main")->field_path == "spec.containers{main}");
  CHECK(event_object(p, "container setup")->field_path == "spec.initContainers{setup}");
  CHECK_FALSE(event_object(p, "container other"));
  CHECK_FALSE(event_object(p, "volumes"));
}
