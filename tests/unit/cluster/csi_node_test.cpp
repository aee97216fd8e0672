// The CSINode of this node, and the handlers of RuntimeClasses, against an API server of answers given beforehand.
#include <catch2/catch.hpp>
#include <deque>
#include <nlohmann/json.hpp>

#include "agent/cluster/csi_node.hpp"
#include "agent/cluster/object_cache.hpp"
#include "tests/unit/loop.hpp"

using namespace keelson;
using namespace keelson::agent;
using nlohmann::json;

namespace {

struct Answers final : kube::Api {
  Awaitable<Result<std::string>> send(kube::ApiRequest request) override {
    asked.push_back(request.method + " " + request.path);
    bodies.push_back(request.body);
    REQUIRE_FALSE(answers.empty());
    auto answer = std::move(answers.front());
    answers.pop_front();
    co_return answer;
  }
  Awaitable<Result<void>> stream(kube::ApiRequest, LineHandler) override { co_return Result<void>(); }
  std::deque<Result<std::string>> answers;
  std::vector<std::string> asked, bodies;
};

template <class T>
T run(Awaitable<T> what) {
  return testing::Loop().run(std::move(what));
}

Error not_found() { return make_error(Errc::not_found, "there is none", "NotFound"); }
Error away() { return make_error(Errc::unavailable, "no answer"); }
std::string owned_by(const std::string& uid) {
  return R"({"metadata":{"ownerReferences":[{"kind":"Node","name":"n1","uid":")" + uid + R"("}]}})";
}

const std::string kGet = "GET /apis/storage.k8s.io/v1/csinodes/n1", kPost = "POST /apis/storage.k8s.io/v1/csinodes";

}  // namespace

TEST_CASE("A CSINode is made once, and anew for another Node of the name") {
  struct Case {
    const char* what;
    std::deque<Result<std::string>> answers;
    std::vector<std::string> asked;
    bool done;
  };
  const std::string ok = "{}";
  const Case cases[] = {
      {"none yet", {not_found(), ok}, {kGet, kPost}, true},
      {"ours", {owned_by("u1")}, {kGet}, true},
      {"an earlier node's",
       {owned_by("u0"), ok, ok},
       {kGet, "DELETE /apis/storage.k8s.io/v1/csinodes/n1", kPost},
       true},
      {"no answer", {away()}, {kGet}, false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    Answers api;
    api.answers = c.answers;
    CHECK(run(ensure_csi_node(api, "n1", "u1")).has_value() == c.done);
    CHECK(api.asked == c.asked);
    if (c.asked.back() != kPost) continue;
    const auto made = json::parse(api.bodies.back());
    CHECK(made["metadata"]["ownerReferences"][0] ==
          json::parse(R"({"apiVersion":"v1","kind":"Node","name":"n1","uid":"u1"})"));
    CHECK(made["spec"] == json::parse(R"({"drivers":[]})"));
  }
}

TEST_CASE("The handler of a RuntimeClass") {
  asio::io_context unused;
  Answers api;
  ObjectCache cache(unused.get_executor(), api, [](const auto&) {});
  const auto ask = [&](Result<std::string> answer) {
    api.answers = {std::move(answer)};
    return run(cache.runtime_handler("kata"));
  };
  CHECK(ask(away()).error().message == "failed to get RuntimeClass kata: no answer");
  CHECK(ask(std::string(R"({"handler":"kata-qemu"})")).value() == "kata-qemu");
  CHECK(ask(away()).value() == "kata-qemu");  // as it was
  CHECK(ask(not_found()).error().message == "runtimeclass.node.k8s.io \"kata\" not found");
  CHECK_FALSE(ask(away()).has_value());
  CHECK(api.asked.front() == "GET /apis/node.k8s.io/v1/runtimeclasses/kata");
}
