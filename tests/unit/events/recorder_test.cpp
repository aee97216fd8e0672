#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <deque>
#include <nlohmann/json.hpp>

#include "agent/events/event_recorder.hpp"
#include "base/task_group.hpp"

using namespace keelson;
using namespace keelson::agent;
using nlohmann::json;

namespace {

using Texts = std::vector<std::string>;

class FakeEvents final : public kube::Api {
 public:
  Awaitable<Result<std::string>> send(kube::ApiRequest request) override {
    requests.push_back(request);
    co_await sleep_for(Milliseconds(1));
    if (!errors.empty()) {
      Error error = errors.front();
      errors.pop_front();
      if (error.code != Errc::cancelled) co_return error;  // cancelled: this one goes well
    }
    json answer = json::parse(request.body);
    if (request.method == "PATCH") answer = {{"involvedObject", json::object()}};
    co_return answer.dump();
  }
  Awaitable<Result<void>> stream(kube::ApiRequest, LineHandler) override { co_return Result<void>(); }
  [[nodiscard]] Texts methods() const {
    Texts out;
    for (const auto& r : requests) out.push_back(r.method);
    return out;
  }
  std::vector<kube::ApiRequest> requests;
  std::deque<Error> errors;
};

EventLimits limits() {
  EventLimits limits;
  limits.queue = 5;
  limits.tries = 3;
  limits.retry = Milliseconds(5);
  return limits;
}

struct World {
  ~World() {
    tasks.cancel();
    turn();
  }
  void start() { tasks.spawn("events", recorder.run()); }
  void turn(Milliseconds time = Milliseconds(100)) {
    io.restart();
    io.run_for(time);
  }
  void say(const std::string& message) { recorder.record(node_reference("n1"), "Normal", "Starting", message); }

  asio::io_context io{1};
  FakeEvents api;
  ManualClock clock{SystemTime(Seconds(1767225600))};
  EventRecorder recorder{io.get_executor(), api, clock, "n1", limits()};
  TaskGroup tasks{io.get_executor()};
};

const Error kAway = make_error(Errc::unavailable, "connection refused");
const Error kNone = make_error(Errc::cancelled, "");

}  // namespace

TEST_CASE("an event is posted, its repetition is a patch of its count") {
  World w;
  w.start();
  w.say("a");
  w.turn(Milliseconds(30));
  w.clock.advance(Seconds(5));
  w.say("a");
  w.turn(Milliseconds(30));
  REQUIRE(w.api.methods() == Texts{"POST", "PATCH"});
  const auto posted = json::parse(w.api.requests[0].body);
  CHECK(w.api.requests[0].path == "/api/v1/namespaces/default/events");
  CHECK(posted["involvedObject"] == json::parse(R"({"apiVersion":"v1","kind":"Node","name":"n1","uid":"n1"})"));
  CHECK(posted["source"] == json::parse(R"({"component":"kubelet","host":"n1"})"));
  CHECK(w.api.requests[1].path == "/api/v1/namespaces/default/events/" + posted["metadata"]["name"].get<std::string>());
  CHECK(json::parse(w.api.requests[1].body) ==
        json::parse(R"({"count":2,"message":"a","lastTimestamp":"2026-01-01T00:00:05Z"})"));
  CHECK(w.api.requests[1].content_type == kube::kStrategicMergePatch);
}

TEST_CASE("repetitions of what still waits are one request") {
  World w;
  for (int i = 0; i < 4; ++i) w.say("a");
  CHECK(w.recorder.pending() == 1);
  w.start();
  w.turn(Milliseconds(30));
  REQUIRE(w.api.methods() == Texts{"POST"});
  CHECK(json::parse(w.api.requests[0].body)["count"] == 4);
}

TEST_CASE("an event that expired meanwhile is written anew") {
  World w;
  w.start();
  w.api.errors = {kNone, make_error(Errc::not_found, "gone")};
  w.say("a");
  w.turn(Milliseconds(30));
  w.say("a");
  w.turn(Milliseconds(30));
  CHECK(w.api.methods() == Texts{"POST", "PATCH", "POST"});
  CHECK(w.recorder.dropped() == 0);
}

TEST_CASE("while the API server is away events wait, in order and not for ever") {
  World w;
  w.start();
  w.api.errors = {kAway, kAway};
  w.say("a");
  w.say("b");
  w.turn();
  CHECK(w.api.methods() == Texts{"POST", "POST", "POST", "POST"});
  CHECK(json::parse(w.api.requests[3].body)["message"] == "b");
  CHECK(w.recorder.dropped() == 0);

  w.api.errors.assign(3, kAway);
  w.say("c");
  w.turn();
  CHECK(w.recorder.dropped() == 1);
  CHECK(w.recorder.pending() == 0);
}

TEST_CASE("what the API server refuses is dropped at once") {
  World w;
  w.start();
  w.api.errors = {make_error(Errc::permission_denied, "namespace is being terminated")};
  w.say("a");
  w.say("b");
  w.turn(Milliseconds(30));
  CHECK(w.api.requests.size() == 2);
  CHECK(w.recorder.dropped() == 1);
}

TEST_CASE("a full queue drops, and the caller never waits") {
  World w;
  for (int i = 0; i < 8; ++i) w.say("m" + std::to_string(i));
  CHECK(w.recorder.pending() == 5);
  CHECK(w.recorder.dropped() == 3);
}
