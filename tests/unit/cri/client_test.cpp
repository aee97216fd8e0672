#include <fstream>
#include <regex>
#include <set>

#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "cri/channel.hpp"
#include "cri/client.hpp"
#include "fake_runtime.hpp"
#include "../loop.hpp"

namespace keelson::cri {
namespace {

using namespace std::chrono_literals;
using test::FakeRuntime;
using keelson::testing::Loop;
using Answer = std::optional<grpc::Status>;

constexpr const char* kVersion = "/runtime.v1.RuntimeService/Version";
constexpr const char* kListContainers = "/runtime.v1.RuntimeService/ListContainers";

struct Fixture {
  Fixture() {
    runtime.on<v1::VersionRequest, v1::VersionResponse>(kVersion, [](const auto& request, auto& response) -> Answer {
      response.set_version(request.version() + "-of-fake");
      return grpc::Status::OK;
    });
    runtime.start();
    client = *Client::create(loop.executor(), runtime.endpoint());
  }
  Result<v1::VersionResponse> version(Milliseconds timeout = 10s) {
    v1::VersionRequest request;
    request.set_version("v1");
    return loop.run(client->version(std::move(request), timeout));
  }
  Loop loop;
  FakeRuntime runtime;
  std::unique_ptr<Client> client;
};

// The "/package.Service/Method" of each unary RPC that api.proto declares.
std::set<std::string> declared_rpcs() {
  std::ifstream file(KEELSON_SOURCE_DIR "/cri/api.proto");
  const std::regex service_line("service (\\w+) \\{");
  const std::regex rpc_line("  rpc (\\w+)\\(\\w+\\) returns \\(\\w+\\);");
  std::set<std::string> out;
  std::string service;
  std::smatch match;
  for (std::string line; std::getline(file, line);) {
    if (std::regex_match(line, match, service_line)) service = match[1];
    if (std::regex_match(line, match, rpc_line)) out.insert("/runtime.v1." + service + "/" + match[1].str());
  }
  return out;
}

TEST_CASE_METHOD(Fixture, "a call carries the request there and the answer back") {
  const auto answer = version();
  REQUIRE(answer.has_value());
  CHECK(answer->version() == "v1-of-fake");
}

TEST_CASE_METHOD(Fixture, "every unary RPC of the contract goes to the method of its name") {
  runtime.answer_everything();
  const auto expect = [&](auto task) { CHECK(loop.run(std::move(task)).has_value()); };
  auto& client = *this->client;
  expect(client.version(v1::VersionRequest(), kDefaultTimeout));
  expect(client.status(v1::StatusRequest(), kDefaultTimeout));
  expect(client.runtime_config(v1::RuntimeConfigRequest(), kDefaultTimeout));
  expect(client.update_runtime_config(v1::UpdateRuntimeConfigRequest(), kDefaultTimeout));
  expect(client.run_pod_sandbox(v1::RunPodSandboxRequest(), kDefaultTimeout));
  expect(client.stop_pod_sandbox(v1::StopPodSandboxRequest(), kDefaultTimeout));
  expect(client.remove_pod_sandbox(v1::RemovePodSandboxRequest(), kDefaultTimeout));
  expect(client.pod_sandbox_status(v1::PodSandboxStatusRequest(), kDefaultTimeout));
  expect(client.list_pod_sandbox(v1::ListPodSandboxRequest(), kDefaultTimeout));
  expect(client.update_pod_sandbox_resources(v1::UpdatePodSandboxResourcesRequest(), kDefaultTimeout));
  expect(client.create_container(v1::CreateContainerRequest(), kDefaultTimeout));
  expect(client.start_container(v1::StartContainerRequest(), kDefaultTimeout));
  expect(client.stop_container(v1::StopContainerRequest(), kDefaultTimeout));
  expect(client.remove_container(v1::RemoveContainerRequest(), kDefaultTimeout));
  expect(client.container_status(v1::ContainerStatusRequest(), kDefaultTimeout));
  expect(client.list_containers(v1::ListContainersRequest(), kDefaultTimeout));
  expect(client.update_container_resources(v1::UpdateContainerResourcesRequest(), kDefaultTimeout));
  expect(client.reopen_container_log(v1::ReopenContainerLogRequest(), kDefaultTimeout));
  expect(client.checkpoint_container(v1::CheckpointContainerRequest(), kDefaultTimeout));
  expect(client.exec_sync(v1::ExecSyncRequest(), kDefaultTimeout));
  expect(client.exec(v1::ExecRequest(), kDefaultTimeout));
  expect(client.attach(v1::AttachRequest(), kDefaultTimeout));
  expect(client.port_forward(v1::PortForwardRequest(), kDefaultTimeout));
  expect(client.container_stats(v1::ContainerStatsRequest(), kDefaultTimeout));
  expect(client.list_container_stats(v1::ListContainerStatsRequest(), kDefaultTimeout));
  expect(client.pod_sandbox_stats(v1::PodSandboxStatsRequest(), kDefaultTimeout));
  expect(client.list_pod_sandbox_stats(v1::ListPodSandboxStatsRequest(), kDefaultTimeout));
  expect(client.list_metric_descriptors(v1::ListMetricDescriptorsRequest(), kDefaultTimeout));
  expect(client.list_pod_sandbox_metrics(v1::ListPodSandboxMetricsRequest(), kDefaultTimeout));
  expect(client.list_images(v1::ListImagesRequest(), kDefaultTimeout));
  expect(client.image_status(v1::ImageStatusRequest(), kDefaultTimeout));
  expect(client.pull_image(v1::PullImageRequest(), kDefaultTimeout));
  expect(client.remove_image(v1::RemoveImageRequest(), kDefaultTimeout));
  expect(client.image_fs_info(v1::ImageFsInfoRequest(), kDefaultTimeout));
  const auto calls = runtime.calls();
  CHECK(std::set<std::string>(calls.begin(), calls.end()) == declared_rpcs());
  CHECK(calls.size() == declared_rpcs().size());
}

TEST_CASE_METHOD(Fixture, "a failure keeps the runtime's words and gets our code") {
  runtime.on<v1::VersionRequest, v1::VersionResponse>(kVersion, [](const auto&, auto&) -> Answer {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such container: c1");
  });
  const auto answer = version();
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Errc::not_found);
  CHECK(answer.error().message == "no such container: c1");
  CHECK(client->connected());  // it answered
}

TEST_CASE_METHOD(Fixture, "large answers come through, up to 16 MiB") {
  std::size_t size = 12 << 20;
  runtime.on<v1::VersionRequest, v1::VersionResponse>(kVersion, [&](const auto&, auto& response) -> Answer {
    response.set_version(std::string(size, 'x'));
    return grpc::Status::OK;
  });
  CHECK(version()->version().size() == size);
  size = 17 << 20;
  CHECK(version().error().code == Errc::resource_exhausted);
}

TEST_CASE_METHOD(Fixture, "a call ends with its deadline") {
  runtime.on<v1::VersionRequest, v1::VersionResponse>(kVersion, [](const auto&, auto&) -> Answer { return {}; });
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = version(50ms);
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Errc::deadline_exceeded);
  CHECK(answer.error().message.find(runtime.endpoint()) != std::string::npos);
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

Awaitable<void> ask_version(Client& client, std::optional<Result<v1::VersionResponse>>& out) {
  v1::VersionRequest request;
  out = co_await client.version(std::move(request), kNoTimeout);
}

TEST_CASE_METHOD(Fixture, "cancelling the task cancels the call in the runtime") {
  runtime.on<v1::VersionRequest, v1::VersionResponse>(kVersion, [](const auto&, auto&) -> Answer { return {}; });
  std::optional<Result<v1::VersionResponse>> answer;
  TaskGroup tasks(loop.executor());
  tasks.spawn("ask", ask_version(*client, answer));
  loop.pump_until([&] { return !runtime.calls().empty(); });
  CHECK_FALSE(answer);
  tasks.cancel();
  loop.pump_until([&] { return runtime.cancelled() == 1 && tasks.size() == 0; });
  REQUIRE(answer.has_value());
  CHECK(answer->error().code == Errc::cancelled);
}

TEST_CASE_METHOD(Fixture, "a client that goes ends its calls") {
  runtime.on<v1::VersionRequest, v1::VersionResponse>(kVersion, [](const auto&, auto&) -> Answer { return {}; });
  std::optional<Result<v1::VersionResponse>> answer;
  TaskGroup tasks(loop.executor());
  tasks.spawn("ask", ask_version(*client, answer));
  loop.pump_until([&] { return !runtime.calls().empty(); });
  client.reset();
  loop.pump_until([&] { return answer.has_value(); });
  CHECK(answer->error().code == Errc::cancelled);
}

TEST_CASE_METHOD(Fixture, "a loop that goes with a call unanswered leaves nothing behind") {
  runtime.on<v1::VersionRequest, v1::VersionResponse>(kVersion, [](const auto&, auto&) -> Answer { return {}; });
  std::optional<Result<v1::VersionResponse>> answer;
  {
    asio::io_context io;
    auto own = *Client::create(io.get_executor(), runtime.endpoint());
    asio::co_spawn(io, ask_version(*own, answer), [](const std::exception_ptr&) {});
    while (runtime.calls().empty()) io.run_one_for(5ms);
  }
  CHECK_FALSE(answer);  // ASan tells of the rest
}

TEST_CASE_METHOD(Fixture, "a runtime that is not there is named, and found when it comes") {
  runtime.stop();
  std::vector<bool> changes;
  client->on_connection_change([&](bool connected) { changes.push_back(connected); });
  const auto answer = version();
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().code == Errc::unavailable);
  CHECK(answer.error().message == "runtime is not reachable at " + runtime.endpoint() + ": No such file or directory");
  CHECK_FALSE(client->connected());
  CHECK(changes == std::vector{false});

  runtime.start();
  CHECK(loop.run(client->wait_connected()).has_value());
  CHECK(client->connected());
  CHECK(version().has_value());
  CHECK(changes == std::vector{false, true});
}

TEST_CASE_METHOD(Fixture, "a restarted runtime is connected to again, a call on its way is cut off") {
  REQUIRE(version().has_value());
  runtime.on<v1::VersionRequest, v1::VersionResponse>(kVersion, [](const auto&, auto&) -> Answer { return {}; });
  std::optional<Result<v1::VersionResponse>> answer;
  TaskGroup tasks(loop.executor());
  tasks.spawn("ask", ask_version(*client, answer));
  loop.pump_until([&] { return runtime.calls().size() == 2; });
  runtime.stop();
  loop.pump_until([&] { return answer.has_value(); });
  CHECK(answer->error().code == Errc::unavailable);

  runtime.on<v1::VersionRequest, v1::VersionResponse>(kVersion,
                                                      [](const auto&, auto&) -> Answer { return grpc::Status::OK; });
  runtime.start();
  CHECK(loop.run(client->wait_connected()).has_value());
  CHECK(version().has_value());
}

TEST_CASE_METHOD(Fixture, "a stream gives message after message, then its end") {
  runtime.serve_stream("/s/Stream");
  auto stream = client->channel().open_stream("/s/Stream", v1::GetEventsRequest());
  v1::VersionResponse message;
  std::vector<std::string> got;
  const auto read = [](ServerStream& s, v1::VersionResponse& m, std::vector<std::string>& out,
                       Notifier& more) -> Awaitable<Result<bool>> {
    for (;;) {
      auto next = co_await s.next(m);
      if (!next || !*next) co_return next;
      out.push_back(m.version());
      more.notify();
    }
  };
  Notifier more(loop.executor());
  std::optional<Result<bool>> end;
  asio::co_spawn(loop.executor(), read(*stream, message, got, more),
                 [&](const std::exception_ptr&, Result<bool> result) { end = std::move(result); });
  loop.pump_until([&] { return runtime.open_streams("/s/Stream") == 1; });
  CHECK(runtime.last_stream_headers().count("containerd-namespace") == 0);
  for (const char* text : {"one", "two", "three"}) {
    v1::VersionResponse out;
    out.set_version(text);
    runtime.push("/s/Stream", out);
  }
  loop.pump_until([&] { return got.size() == 3; });
  CHECK(got == std::vector<std::string>{"one", "two", "three"});
  CHECK_FALSE(end);
  runtime.end_streams("/s/Stream", grpc::Status::OK);
  loop.pump_until([&] { return end.has_value(); });
  REQUIRE(end->has_value());
  CHECK_FALSE(**end);
}

}  // namespace
}  // namespace keelson::cri
