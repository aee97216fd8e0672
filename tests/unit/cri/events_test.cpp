#include "cri/events.hpp"
#include "base/task_group.hpp"
#include "cri/event_decode.hpp"
#include "fake_runtime.hpp"
#include "../loop.hpp"

namespace keelson::cri {
namespace {

using namespace std::chrono_literals;
using Kind = ContainerEvent::Kind;
using test::FakeRuntime;
using keelson::testing::Loop;
using Answer = std::optional<grpc::Status>;

constexpr const char* kCri = "/runtime.v1.RuntimeService/GetContainerEvents";
constexpr const char* kContainerd = "/containerd.services.events.v1.Events/Subscribe";

struct Fixture {
  Fixture() {
    const std::string service = "/runtime.v1.RuntimeService/";
    runtime.on<v1::VersionRequest, v1::VersionResponse>(service + "Version",
                                                        [](const auto&, auto&) -> Answer { return grpc::Status::OK; });
    runtime.on<v1::ListContainersRequest, v1::ListContainersResponse>(
        service + "ListContainers", [this](const auto& request, auto& response) -> Answer {
          if (request.filter().id() != "c1") return grpc::Status::OK;
          if (failing_looks > 0 && failing_looks-- > 0) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "busy");
          auto* container = response.add_containers();
          container->set_pod_sandbox_id("s1");
          container->set_state(++looks < 3 ? v1::CONTAINER_RUNNING : v1::CONTAINER_EXITED);
          return grpc::Status::OK;
        });
    runtime.on<v1::ListPodSandboxRequest, v1::ListPodSandboxResponse>(
        service + "ListPodSandbox", [](const auto& request, auto& response) -> Answer {
          if (request.filter().id() == "s1") response.add_items()->set_state(v1::SANDBOX_NOTREADY);
          return grpc::Status::OK;
        });
    client = *Client::create(loop.executor(), runtime.endpoint());
  }
  ~Fixture() { loop.run(stop()); }

  void begin() {
    runtime.start();
    stream.emplace(
        loop.executor(), *client,
        EventHandlers{[this](const ContainerEvent& event) { events.push_back(event); }, [this] { ++resyncs; }});
    stream->start();
  }
  Awaitable<bool> stop() {
    if (stream) co_await stream->stop();
    co_return true;
  }
  void push_exit(const std::string& container, const std::string& id) {
    containerd::TaskExit exit;
    exit.set_container_id(container);
    exit.set_id(id);
    containerd::Envelope out;
    out.set_namespace_("k8s.io");
    out.set_topic("/tasks/exit");
    out.mutable_event()->set_type_url("containerd.events.TaskExit");
    out.mutable_event()->set_value(exit.SerializeAsString());
    runtime.push(kContainerd, out);
  }
  void wait_streams(const char* method) {
    loop.pump_until([&] { return runtime.open_streams(method) == 1; });
  }

  Loop loop;
  FakeRuntime runtime;
  std::unique_ptr<Client> client;
  std::optional<EventStream> stream;
  std::vector<ContainerEvent> events;
  int resyncs = 0;
  std::atomic<int> looks = 0, failing_looks = 0;
};

TEST_CASE_METHOD(Fixture, "CRI events are used where the runtime has them") {
  runtime.serve_stream(kCri);
  runtime.serve_stream(kContainerd);
  begin();
  wait_streams(kCri);
  CHECK(stream->source() == "cri");
  v1::ContainerEventResponse event;
  event.set_container_id("c1");
  event.mutable_pod_sandbox_status()->set_id("s1");
  for (const auto type : {v1::CONTAINER_CREATED_EVENT, v1::CONTAINER_STARTED_EVENT, v1::CONTAINER_STOPPED_EVENT,
                          v1::CONTAINER_DELETED_EVENT}) {
    event.set_container_event_type(type);
    runtime.push(kCri, event);
  }
  loop.pump_until([&] { return events.size() == 2; });
  CHECK(events[0] == ContainerEvent{"c1", "s1", Kind::stopped});
  CHECK(events[1] == ContainerEvent{"c1", "s1", Kind::deleted});
  CHECK(runtime.open_streams(kContainerd) == 0);
  loop.pump_until([&] { return resyncs == 2; });  // at once and when settled
}

TEST_CASE_METHOD(Fixture, "without CRI events, containerd's are subscribed to") {
  runtime.serve_stream(kContainerd);
  begin();
  wait_streams(kContainerd);
  CHECK(stream->source() == "containerd");
  CHECK(runtime.last_stream_headers().at("containerd-namespace") == "k8s.io");
  CHECK(runtime.last_stream_request() == containerd_subscription().SerializeAsString());

  push_exit("c1", "exec-1");
  push_exit("c1", "c1");
  loop.pump_until([&] { return events.size() == 1; });
  CHECK(events[0] == ContainerEvent{"c1", "s1", Kind::stopped});
  CHECK(looks == 3);  // told when CRI showed it, not before

  push_exit("s1", "s1");
  loop.pump_until([&] { return events.size() == 2; });
  CHECK(events[1] == ContainerEvent{"s1", "s1", Kind::stopped});
  push_exit("gone", "gone");
  loop.pump_until([&] { return events.size() == 3; });
  CHECK(events[2] == ContainerEvent{"gone", "", Kind::stopped});
}

TEST_CASE_METHOD(Fixture, "an exit that CRI cannot be asked about is told at once, and again when CRI shows it") {
  failing_looks = 1;
  runtime.serve_stream(kContainerd);
  begin();
  wait_streams(kContainerd);
  push_exit("c1", "c1");
  loop.pump_until([&] { return events.size() == 2; });
  CHECK(events[0] == ContainerEvent{"c1", "", Kind::stopped});
  CHECK(events[1] == ContainerEvent{"c1", "s1", Kind::stopped});
  CHECK(failing_looks == 0);
  CHECK(looks == 3);
}

TEST_CASE_METHOD(Fixture, "a stream that drops is opened again and followed by a resync") {
  runtime.serve_stream(kCri);
  begin();
  wait_streams(kCri);
  loop.pump_until([&] { return resyncs == 2; });
  runtime.end_streams(kCri, grpc::Status(grpc::StatusCode::INTERNAL, "lost my thread"));
  loop.pump_until([&] { return resyncs == 3; });
  wait_streams(kCri);
  CHECK(stream->source() == "cri");
}

TEST_CASE_METHOD(Fixture, "a restarted runtime is asked for its best source again") {
  runtime.serve_stream(kContainerd);
  begin();
  wait_streams(kContainerd);
  runtime.stop();
  loop.pump_until([&] { return !client->connected(); });
  const auto before = resyncs;
  runtime.serve_stream(kCri);  // it was upgraded
  runtime.start();
  wait_streams(kCri);
  loop.pump_until([&] { return resyncs > before; });
  CHECK(stream->source() == "cri");
}

TEST_CASE_METHOD(Fixture, "without any events there are relist ticks, until the runtime was replaced") {
  begin();
  loop.pump_until([&] { return stream->source() == "relist" && resyncs >= 3; });
  runtime.stop();
  REQUIRE_FALSE(loop.run(client->version(v1::VersionRequest(), 10s)).has_value());
  runtime.serve_stream(kCri);
  runtime.start();
  REQUIRE(loop.run(client->wait_connected()).has_value());
  stream->note_activity();
  wait_streams(kCri);
  CHECK(stream->source() == "cri");
}

TEST_CASE_METHOD(Fixture, "nothing is told after stop, also when a look is on its way") {
  runtime.serve_stream(kContainerd);
  runtime.on<v1::ListContainersRequest, v1::ListContainersResponse>("/runtime.v1.RuntimeService/ListContainers",
                                                                    [this](const auto&, auto&) -> Answer {
                                                                      ++looks;
                                                                      return {};
                                                                    });
  begin();
  wait_streams(kContainerd);
  push_exit("c1", "c1");
  loop.pump_until([&] { return looks == 1; });
  loop.run(stop());
  loop.pump_until([&] { return runtime.open_streams(kContainerd) == 0; });
  CHECK(events.empty());
}

}  // namespace
}  // namespace keelson::cri
