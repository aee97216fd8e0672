#include "cri/containerd_tasks.pb.h"
#include "cri/client.hpp"
#include "fake_runtime.hpp"
#include "../loop.hpp"

namespace keelson::cri {
namespace {

namespace tasks = ::containerd::services::tasks::v1;
using keelson::testing::Loop;
using test::FakeRuntime;
using Answer = std::optional<grpc::Status>;

constexpr const char* kKill = "/containerd.services.tasks.v1.Tasks/Kill";
constexpr const char* kDelete = "/containerd.services.tasks.v1.Tasks/Delete";

// A containerd that answers Kill as told, and Delete with each answer in turn, the last one again and again.
struct Fixture {
  void start(grpc::Status kill, std::vector<grpc::Status> deletes) {
    runtime.on<tasks::KillRequest, tasks::KillResponse>(kKill, [this, kill](const auto& request, auto&) -> Answer {
      killed = request.container_id();
      signal = request.signal();
      return kill;
    });
    runtime.on<tasks::DeleteTaskRequest, tasks::DeleteResponse>(
        kDelete, [this, deletes](const auto& request, auto&) -> Answer {
          deleted = request.container_id();
          return deletes[std::min<std::size_t>(tries++, deletes.size() - 1)];
        });
    runtime.start();
    client = *Client::create(loop.executor(), runtime.endpoint());
  }
  Result<void> end() { return loop.run(client->end_lost_task("abc")); }

  Loop loop;
  FakeRuntime runtime;
  std::unique_ptr<Client> client;
  std::string killed;
  std::string deleted;
  unsigned signal = 0;
  std::size_t tries = 0;
};

const grpc::Status kRunning(grpc::StatusCode::FAILED_PRECONDITION, "task must be stopped before deletion: running");
const grpc::Status kNoTask(grpc::StatusCode::NOT_FOUND, "no running task found");

TEST_CASE_METHOD(Fixture, "a lost task is killed, and deleted as soon as it has ended") {
  start(grpc::Status::OK, {kRunning, kRunning, grpc::Status::OK});
  REQUIRE(end().has_value());
  CHECK(killed == "abc");
  CHECK(signal == 9);
  CHECK(deleted == "abc");
  CHECK(tries == 3);
}

TEST_CASE_METHOD(Fixture, "a lost task that has ended by itself is deleted") {
  start(grpc::Status(grpc::StatusCode::NOT_FOUND, "process already finished"), {grpc::Status::OK});
  REQUIRE(end().has_value());
  CHECK(tries == 1);
}

TEST_CASE_METHOD(Fixture, "a task that is not there is done") {
  start(kNoTask, {kNoTask});
  CHECK(end().has_value());
}

TEST_CASE_METHOD(Fixture, "what else containerd answers to the deletion is told") {
  start(grpc::Status::OK, {grpc::Status(grpc::StatusCode::UNKNOWN, "ttrpc: closed")});
  const auto failed = end();
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().message == "ttrpc: closed");
}

TEST_CASE_METHOD(Fixture, "a runtime that is not containerd has no lost tasks to end") {
  runtime.start();
  client = *Client::create(loop.executor(), runtime.endpoint());
  const auto failed = end();
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().code == Errc::unimplemented);
}

}  // namespace
}  // namespace keelson::cri
