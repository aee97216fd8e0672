#include "agent/cluster/token_manager.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/pod/volume_fields.hpp"
#include "kube/time.hpp"

using namespace keelson;
using namespace keelson::agent;
using nlohmann::json;

namespace {

class FakeTokens final : public kube::Api {
 public:
  explicit FakeTokens(const Clock& c) : clock(c) {}
  Awaitable<Result<std::string>> send(kube::ApiRequest request) override {
    requests.push_back(request);
    if (away) co_return make_error(Errc::unavailable, "connection refused");
    json answer = json::parse(request.body);
    const auto lifetime = answer["spec"]["expirationSeconds"].get<std::int64_t>();
    answer["status"] = {{"token", "token-" + std::to_string(requests.size())},
                        {"expirationTimestamp", kube::format_time(clock.now() + Seconds(lifetime))}};
    co_return answer.dump();
  }
  Awaitable<Result<void>> stream(kube::ApiRequest, LineHandler) override { co_return Result<void>(); }
  const Clock& clock;
  bool away = false;
  std::vector<kube::ApiRequest> requests;
};

volumes::TokenRequest wanted() {
  volumes::TokenRequest request;
  request.ns = "ns";
  request.service_account = "default";
  request.expiration_seconds = 3600;
  request.pod_name = "web";
  request.pod_uid = "uid";
  return request;
}

struct World {
  Result<volumes::ServiceAccountToken> ask(volumes::TokenRequest request = wanted()) {
    std::optional<Result<volumes::ServiceAccountToken>> out;
    io.restart();
    asio::co_spawn(io, manager.token(std::move(request)),
                   [&](const std::exception_ptr&, Result<volumes::ServiceAccountToken> r) { out = std::move(r); });
    io.run();
    return *out;
  }
  std::string text(volumes::TokenRequest request = wanted()) {
    const auto token = ask(std::move(request));
    return token ? token->text : token.error().message;
  }
  asio::io_context io{1};
  ManualClock clock{SystemTime(Seconds(1767225600))};
  FakeTokens api{clock};
  TokenManager manager{api, clock};
};

}  // namespace

TEST_CASE("a token is asked for once and kept until 80 percent of its life") {
  World w;
  const auto begun = w.clock.now();
  const auto token = w.ask();
  REQUIRE(token.has_value());
  CHECK(token->text == "token-1");
  CHECK(token->refresh_at <= begun + Seconds(2880));
  CHECK(token->refresh_at > begun + Seconds(2869));
  CHECK(w.api.requests[0].path == "/api/v1/namespaces/ns/serviceaccounts/default/token");
  CHECK(json::parse(w.api.requests[0].body)["spec"] == json::parse(R"({"audiences":[],"expirationSeconds":3600,
    "boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":"web","uid":"uid"}})"));
  w.clock.advance(Seconds(2868));
  CHECK(w.text() == "token-1");
  w.clock.advance(Seconds(13));
  CHECK(w.text() == "token-2");
}

TEST_CASE("a long-lived token is renewed after a day") {
  const SystemTime now(Seconds(1767225600));
  const IssuedToken token{"t", now + std::chrono::hours(24 * 365), std::chrono::hours(24 * 365)};
  CHECK(token.refresh_at(Seconds(7)) == now + std::chrono::hours(24) - Seconds(7));
}

TEST_CASE("audiences, lifetimes and pods have tokens of their own") {
  World w;
  CHECK(w.text() == "token-1");
  auto other = wanted();
  other.audience = "vault";
  CHECK(w.text(other) == "token-2");
  CHECK(json::parse(w.api.requests[1].body)["spec"]["audiences"] == json{"vault"});
  other = wanted();
  other.pod_uid = "uid2";
  CHECK(w.text(other) == "token-3");
  w.manager.forget("uid2");
  CHECK(w.manager.size() == 2);
  CHECK(w.text() == "token-1");
}

TEST_CASE("a refresh that fails leaves the old token as long as it is good") {
  World w;
  w.api.away = true;
  CHECK(w.text() == "failed to fetch token: connection refused");
  w.api.away = false;
  CHECK(w.text() == "token-2");
  w.api.away = true;
  w.clock.advance(Seconds(2900));
  const auto old = w.ask();
  REQUIRE(old.has_value());
  CHECK(old->text == "token-2");
  CHECK(old->refresh_at == w.clock.now() + Seconds(60));
  const auto asked = w.api.requests.size();
  CHECK(w.text() == "token-2");
  CHECK(w.api.requests.size() == asked);
  w.clock.advance(Seconds(700));
  CHECK_THAT(w.text(), Catch::StartsWith("token \"default\"/\"ns\"/[]/3600/Pod web uid expired and refresh failed: "));
}

TEST_CASE("an answer that is no TokenRequest is an error, not a token") {
  for (const char* bad : {"x", "{}", R"({"status":{"token":1}})", R"({"status":{"token":"t"}})",
                          R"({"status":{"token":"t","expirationTimestamp":"2026-01-01T00:00:00Z"}})"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_issued_token(bad).has_value());
  }
}

TEST_CASE("files of the downward API") {
  spec::NodeFacts facts;
  facts.allocatable["cpu"] = kube::Quantity::of(4);
  const auto fields = volume_fields(facts);
  kube::Pod pod;
  pod.metadata.name = "web";
  pod.metadata.labels = {{"a", "1"}, {"b", "two\n"}};
  pod.spec.containers.resize(1);
  pod.spec.containers[0].name = "main";
  kube::DownwardApiFile file;
  file.field_ref.emplace();
  file.field_ref->field_path = "metadata.labels";
  CHECK(fields(pod, file).value() == "a=\"1\"\nb=\"two\\n\"");
  file.field_ref.reset();
  CHECK_FALSE(fields(pod, file).has_value());
  file.resource_field_ref.emplace();
  file.resource_field_ref->container_name = "main";
  file.resource_field_ref->resource = "limits.cpu";
  CHECK(fields(pod, file).value() == "4");
  file.resource_field_ref->container_name = "gone";
  CHECK_FALSE(fields(pod, file).has_value());
}
