// StatusWriter against an API server that a test scripts.
#include "agent/cluster/status_writer.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <deque>
#include <nlohmann/json.hpp>

#include "kube/codec.hpp"

using namespace keelson;
using namespace keelson::agent;
using nlohmann::json;

namespace {

// Keeps one pod as the API server would; errors are answered first.
class FakeApi final : public kube::Api {
 public:
  explicit FakeApi(json stored) : pod(std::move(stored)) {}

  Awaitable<Result<std::string>> send(kube::ApiRequest request) override {
    const auto kept = requests.emplace_back(std::move(request));
    co_await sleep_for(Milliseconds(2));
    if (!errors.empty()) {
      auto error = errors.front();
      errors.pop_front();
      co_return error;
    }
    if (kept.method == "DELETE") co_return "{}";
    const auto patch = json::parse(kept.body);
    pod["status"].merge_patch(patch.at("status"));
    pod["metadata"]["resourceVersion"] = std::to_string(++version);
    co_return pod.dump();
  }
  Awaitable<Result<void>> stream(kube::ApiRequest, LineHandler) override { co_return Result<void>(); }

  [[nodiscard]] std::vector<std::string> methods() const {
    std::vector<std::string> out;
    for (const auto& r : requests) out.push_back(r.method + " " + r.path);
    return out;
  }

  json pod;
  int version = 10;
  std::deque<Error> errors;
  std::vector<kube::ApiRequest> requests;
};

json pod_json(bool deleting = false) {
  auto pod = json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"d","uid":"u1",
    "resourceVersion":"10"},"spec":{"containers":[]},"status":{"phase":"Pending"}})");
  if (deleting) pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  return pod;
}

std::shared_ptr<const kube::Pod> decoded(const json& pod) {
  return std::make_shared<const kube::Pod>(*kube::decode<kube::Pod>(pod));
}

std::shared_ptr<const kube::PodStatus> phase(const std::string& name) {
  kube::PodStatus status;
  status.phase = name;
  return std::make_shared<const kube::PodStatus>(status);
}

kube::Time first_of_2026() { return kube::Time(std::chrono::seconds(1767225600)); }

struct World {
  explicit World(json pod) : api(std::move(pod)), writer(loop.get_executor(), api), tasks(loop.get_executor()) {
    tasks.spawn("writer", writer.run());
    writer.observed("u1", decoded(api.pod));
  }
  ~World() {
    tasks.cancel();
    tasks.spawn("stop", writer.stop());
    loop.run_for(Milliseconds(100));
  }
  void turn(Milliseconds time = Milliseconds(60)) {
    loop.restart();
    loop.run_for(time);
  }

  asio::io_context loop;
  FakeApi api;
  StatusWriter writer;
  TaskGroup tasks;
};

const std::string kPatch = "PATCH /api/v1/namespaces/d/pods/p/status";
const std::string kDelete = "DELETE /api/v1/namespaces/d/pods/p";
using Methods = std::vector<std::string>;

}  // namespace

TEST_CASE("a status is written once; what changes meanwhile goes out with the next request") {
  World w(pod_json());
  w.writer.set("u1", phase("Running"));
  w.turn(Milliseconds(1));
  w.writer.set("u1", phase("Failed"));
  w.writer.set("u1", phase("Succeeded"));
  w.turn();
  CHECK(w.api.methods() == Methods{kPatch, kPatch});
  CHECK(w.api.pod["status"]["phase"] == "Succeeded");
  CHECK(w.writer.pending() == 0);
}

TEST_CASE("steps of a start are told together; what has ended it is told at once") {
  auto begun = pod_json();
  begun["status"]["startTime"] = "2026-01-01T00:00:00Z";
  World w(begun);
  const auto step = [&](const std::string& ip, const std::string& phase_name) {
    kube::PodStatus status = *phase(phase_name);
    status.start_time = first_of_2026();
    status.pod_ip = ip;
    return std::make_shared<const kube::PodStatus>(status);
  };
  w.writer.set("u1", step("10.0.0.1", "Pending"));
  w.turn();
  CHECK(w.api.requests.empty());
  CHECK(w.writer.pending() == 1);
  w.writer.set("u1", step("10.0.0.1", "Running"));
  w.turn();
  CHECK(w.api.methods() == Methods{kPatch});

  World slow(begun);
  slow.writer.set("u1", step("10.0.0.2", "Pending"));
  slow.turn(Milliseconds(700));
  CHECK(slow.api.methods() == Methods{kPatch});
  CHECK(slow.api.pod["status"]["podIP"] == "10.0.0.2");
}

TEST_CASE("the echo of our own write asks for nothing; another writer's change is put right") {
  World w(pod_json());
  w.writer.set("u1", phase("Running"));
  w.turn();
  w.writer.observed("u1", decoded(w.api.pod));
  w.turn();
  CHECK(w.api.requests.size() == 1);
  w.api.pod["status"]["phase"] = "Pending";
  w.api.pod["metadata"]["resourceVersion"] = "100";
  w.writer.observed("u1", decoded(w.api.pod));
  w.turn();
  CHECK(w.api.requests.size() == 2);
  CHECK(w.api.pod["status"]["phase"] == "Running");
}

TEST_CASE("a pod is deleted only when it is being deleted, its worker is done and its status is written") {
  World w(pod_json(true));
  w.writer.set("u1", phase("Running"));
  w.turn();
  CHECK(w.api.methods() == Methods{kPatch});
  w.writer.set("u1", phase("Succeeded"));
  w.writer.finished("u1");
  w.turn();
  CHECK(w.api.methods() == Methods{kPatch, kPatch, kDelete});
  const auto options = json::parse(w.api.requests.back().body);
  CHECK(options["gracePeriodSeconds"] == 0);
  CHECK(options["preconditions"]["uid"] == "u1");

  World kept(pod_json());
  kept.writer.set("u1", phase("Succeeded"));
  kept.writer.finished("u1");
  kept.turn();
  CHECK(kept.api.methods() == Methods{kPatch});
}

TEST_CASE("a failed write is tried again until it is through") {
  World w(pod_json());
  w.api.errors = {make_error(Errc::unavailable, "connection refused"),
                  make_error(Errc::unavailable, "connection refused")};
  w.writer.set("u1", phase("Running"));
  w.turn(Milliseconds(900));
  CHECK(w.api.requests.size() == 3);
  CHECK(w.api.pod["status"]["phase"] == "Running");
}

TEST_CASE("nothing is said of a pod that is gone, or of another of its name") {
  for (const auto& error : {make_error(Errc::not_found, "pods \"p\" not found", "NotFound"),
                            make_error(Errc::failed_precondition, "the UID in the precondition", "Conflict")}) {
    World w(pod_json(true));
    w.api.errors = {error};
    w.writer.set("u1", phase("Running"));
    w.turn();
    w.writer.set("u1", phase("Failed"));
    w.writer.finished("u1");
    w.turn();
    CHECK(w.api.requests.size() == 1);
    CHECK(w.writer.pending() == 0);
  }
}
