// An API server of one Node and one Lease, and a loop to run against it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/task_group.hpp"
#include "kube/client/api.hpp"

namespace keelson::agent::test {

class FakeCluster final : public kube::Api {
 public:
  using Json = nlohmann::json;

  Awaitable<Result<std::string>> send(kube::ApiRequest request) override {
    requests.push_back(request);
    co_await sleep_for(Milliseconds(1));
    if (!errors.empty()) {
      Error error = errors.front();
      errors.pop_front();
      co_return error;
    }
    const bool lease = request.path.find("/leases") != std::string::npos;
    Result<std::string> answer = serve(request, lease ? this->lease : node);
    co_return answer;
  }
  Awaitable<Result<void>> stream(kube::ApiRequest, LineHandler) override { co_return Result<void>(); }

  // "METHOD path" of the requests since the last call.
  std::vector<std::string> take() {
    std::vector<std::string> out;
    for (const auto& r : requests) out.push_back(r.method + " " + r.path);
    requests.clear();
    return out;
  }
  std::string next_version() { return std::to_string(++version_); }

  std::optional<Json> node, lease;
  std::deque<Error> errors;  // answered first
  std::vector<kube::ApiRequest> requests;
  bool forbid_creation = false;

 private:
  Result<std::string> serve(const kube::ApiRequest& r, std::optional<Json>& object) {
    if (r.method == "POST") {
      if (forbid_creation) return make_error(Errc::permission_denied, "may not create", "Forbidden");
      if (object) return make_error(Errc::already_exists, "exists", "AlreadyExists");
      object = Json::parse(r.body);
      (*object)["metadata"]["uid"] = "uid-" + next_version();
    } else if (!object) {
      return make_error(Errc::not_found, "not found", "NotFound");
    } else if (r.method == "PUT") {
      const auto body = Json::parse(r.body);
      if (body["metadata"]["resourceVersion"] != (*object)["metadata"]["resourceVersion"]) {
        return make_error(Errc::failed_precondition, "conflict", "Conflict");
      }
      object = body;
    } else if (r.method == "PATCH") {
      apply(Json::parse(r.body), *object);
    }
    if (r.method != "GET") (*object)["metadata"]["resourceVersion"] = next_version();
    return object->dump();
  }

  // As much of a strategic merge as the patches of a Node need.
  static void apply(Json patch, Json& object) {
    auto& status = patch["status"];
    if (status.is_object() && status.contains("conditions")) {
      for (const auto& wanted : status["conditions"]) {
        auto& all = object["status"]["conditions"];
        Json* found = nullptr;
        for (auto& condition : all) {
          if (condition["type"] == wanted["type"]) found = &condition;
        }
        if (found == nullptr) {
          all.push_back(wanted);
        } else {
          found->merge_patch(wanted);
        }
      }
      status.erase("conditions");
    }
    if (status.is_object() && status.contains("addresses")) status["addresses"].erase(status["addresses"].size() - 1);
    if (status.is_null()) patch.erase("status");
    object.merge_patch(patch);
  }
  int version_ = 10;
};

// A loop with tasks on it that end with it.
struct Loop {
  asio::io_context io{1};
  TaskGroup tasks{io.get_executor()};

  // Ends the tasks: before what they use is gone.
  void stop() {
    tasks.cancel();
    io.restart();
    io.run_for(Milliseconds(200));
  }
  // Runs until `done` says so; false when that takes longer than `limit`.
  bool until(const std::function<bool()>& done, Milliseconds limit = Milliseconds(5000)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io.restart();
      io.run_one_for(Milliseconds(50));
    }
    return true;
  }
  void turn(Milliseconds time) {
    io.restart();
    io.run_for(time);
  }
};

}  // namespace keelson::agent::test
