#include <catch2/catch.hpp>
#include <deque>

#include "cri/client.hpp"
#include "../loop.hpp"

namespace keelson::cri {
namespace {

using namespace std::chrono_literals;

TEST_CASE("default deadlines are the kubelet's") {
  v1::StopContainerRequest stop;
  stop.set_timeout(30);
  CHECK(default_timeout(stop) == 150s);
  stop.set_timeout(-5);
  CHECK(default_timeout(stop) == 120s);
  stop.set_timeout(std::numeric_limits<int64_t>::max());
  CHECK(default_timeout(stop) > 300 * 24h);
  v1::ExecSyncRequest exec;
  CHECK(default_timeout(exec) == kNoTimeout);
  exec.set_timeout(7);
  CHECK(default_timeout(exec) == 127s);
  v1::CheckpointContainerRequest checkpoint;
  CHECK(default_timeout(checkpoint) == 120s);
  checkpoint.set_timeout(600);
  CHECK(default_timeout(checkpoint) == 600s);
  CHECK(default_timeout(v1::RunPodSandboxRequest()) == 240s);
  CHECK(default_timeout(v1::PullImageRequest()) == kNoTimeout);
  CHECK(default_timeout(v1::ListContainersRequest()) == 120s);
}

TEST_CASE("endpoints") {
  CHECK(*parse_endpoint("unix:///run/x.sock") == "unix:///run/x.sock");
  CHECK(*parse_endpoint("/run/x.sock") == "unix:///run/x.sock");
  for (const std::string bad : {"", "run/x.sock", "unix://run/x.sock", "tcp://127.0.0.1:1", "http://x"}) {
    const auto result = parse_endpoint(bad);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == Errc::invalid_argument);
    CHECK(result.error().message.find('"' + bad + '"') != std::string::npos);
  }
  CHECK(parse_endpoint("/" + std::string(106, 'x')).has_value());
  CHECK_FALSE(parse_endpoint("/" + std::string(107, 'x')).has_value());
}

// Answers RuntimeConfig from a list.
struct Scripted final : RuntimeService {
  Awaitable<Result<v1::RuntimeConfigResponse>> runtime_config(v1::RuntimeConfigRequest, Milliseconds) override {
    ++calls;
    auto answer = std::move(answers.front());
    answers.pop_front();
    co_return answer;
  }
  std::deque<Result<v1::RuntimeConfigResponse>> answers;
  int calls = 0;
};

v1::RuntimeConfigResponse driver(v1::CgroupDriver value) {
  v1::RuntimeConfigResponse response;
  response.mutable_linux()->set_cgroup_driver(value);
  return response;
}

TEST_CASE("the cgroup driver comes from the runtime, if it tells") {
  keelson::testing::Loop loop;
  Scripted runtime;
  const auto ask = [&] { return loop.run(cgroup_driver(runtime, 1ms)); };
  const auto busy = make_error(Errc::unavailable, "busy");

  runtime.answers = {driver(v1::SYSTEMD)};
  CHECK(*ask() == v1::SYSTEMD);
  runtime.answers = {driver(v1::CGROUPFS)};
  CHECK(*ask() == v1::CGROUPFS);
  runtime.answers = {v1::RuntimeConfigResponse()};  // SYSTEMD is 0: absent must not be read as that
  CHECK(*ask() == std::nullopt);
  runtime.answers = {make_error(Errc::unimplemented, "unknown method RuntimeConfig")};
  CHECK(*ask() == std::nullopt);

  runtime.calls = 0;
  runtime.answers = {busy, busy, driver(v1::CGROUPFS)};
  CHECK(*ask() == v1::CGROUPFS);
  CHECK(runtime.calls == 3);
  runtime.answers = {busy, busy, busy, driver(v1::CGROUPFS)};
  const auto failed = ask();
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().message == "the runtime's cgroup driver: busy");
}

TEST_CASE("what a class does not override is unimplemented") {
  keelson::testing::Loop loop;
  Scripted runtime;
  const auto result = loop.run(runtime.version(v1::VersionRequest()));
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == Errc::unimplemented);
  CHECK(result.error().message == "this runtime does not serve Version");
}

}  // namespace
}  // namespace keelson::cri
