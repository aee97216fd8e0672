// Who it is and whether they may: tables, caches under a clock that stands still, and the CA's reload.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/server/authentication.hpp"
#include "agent/server/authorization.hpp"
#include "agent/server/http_counters.hpp"
#include "base/files.hpp"
#include "tls_fixture.hpp"

using namespace keelson;
using namespace keelson::agent;
using namespace keelson::agent::test;
using nlohmann::json;

namespace {

template <class T>
T run(asio::io_context& loop, Awaitable<T> task) {
  std::optional<T> out;
  asio::co_spawn(loop, std::move(task), [&](const std::exception_ptr& error, T value) {
    if (error) std::rethrow_exception(error);
    out.emplace(std::move(value));
  });
  loop.restart();
  loop.run();
  REQUIRE(out.has_value());
  return std::move(*out);
}

HttpRequest with_token(const std::string& token) {
  HttpRequest request;
  request.headers = {{"authorization", "Bearer " + token}};
  return request;
}

SystemTime wall_clock() { return std::chrono::system_clock::now(); }

struct Folder {
  Folder() {
    char name[] = "/tmp/keelson-auth-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

constexpr const char* kGoodToken =
    R"({"status":{"authenticated":true,"user":{"username":"prom","uid":"7","groups":["g"],"extra":{"k":["v"]}}}})";

}  // namespace

TEST_CASE("What a request means as an access to the node") {
  const auto check = [](const char* method, const char* path, const char* verb, std::vector<std::string> subresources) {
    CAPTURE(method, path);
    CHECK(node_access(method, path) == NodeAccess{verb, std::move(subresources)});
  };
  check("GET", "/stats/summary", "get", {"stats"});
  check("GET", "/metrics", "get", {"metrics"});
  check("GET", "/metrics/cadvisor", "get", {"metrics"});
  check("GET", "/metricsx", "get", {"proxy"});
  check("GET", "/logs/", "get", {"log"});
  check("POST", "/checkpoint/a/b/c", "create", {"checkpoint"});
  check("GET", "/statusz", "get", {"statusz"});
  check("GET", "/flagz", "get", {"configz"});
  check("GET", "/pods", "get", {"pods", "proxy"});
  check("GET", "/pods/", "get", {"pods", "proxy"});
  check("GET", "/runningpods/", "get", {"pods", "proxy"});
  check("GET", "/healthz/syncloop", "get", {"healthz", "proxy"});
  check("GET", "/configz", "get", {"configz", "proxy"});
  check("GET", "/exec/a/b/c", "get", {"proxy"});
  check("POST", "/exec/a/b/c", "create", {"proxy"});
  check("PUT", "/debug/flags/v", "update", {"proxy"});
  check("PATCH", "/x", "patch", {"proxy"});
  check("DELETE", "/x", "delete", {"proxy"});
  check("HEAD", "/pods", "", {"pods", "proxy"});
}

TEST_CASE("The kinds of paths that requests are counted by") {
  CHECK(path_kind("/pods") == "pods");
  CHECK(path_kind("/exec/default/web/app") == "exec");
  CHECK(path_kind("/metrics") == "metrics");
  CHECK(path_kind("/metrics/cadvisor") == "metrics/cadvisor");
  CHECK(path_kind("/metrics/anything") == "other");
  CHECK(path_kind("/") == "other");
  CHECK(path_kind("/wp-admin") == "other");
  CHECK(is_long_running("exec"));
  CHECK_FALSE(is_long_running("pods"));
}

TEST_CASE("Bearer tokens of the header") {
  CHECK(bearer_token(with_token("abc")) == "abc");
  HttpRequest request;
  CHECK(bearer_token(request).empty());
  request.headers = {{"Authorization", "bearer x y"}};
  CHECK(bearer_token(request) == "x");
  request.headers = {{"Authorization", "Basic abc"}};
  CHECK(bearer_token(request).empty());
}

TEST_CASE("Bearer tokens among the WebSocket's subprotocols") {
  const std::string prefix = "base64url.bearer.authorization.k8s.io.";
  struct Case {
    std::vector<std::string> protocols;
    std::string token, error, left;
  };
  const Case cases[] = {
      {{"v4.channel.k8s.io"}, "", "", "v4.channel.k8s.io"},
      {{"v4.channel.k8s.io, " + prefix + "YWJjPz8-"}, "abc?\?>", "", "v4.channel.k8s.io"},
      {{prefix + "YWI", "a, b"}, "ab", "", "a,b"},
      {{prefix + "YWI"}, "", "no subprotocol beside the token's", ""},
      {{"a," + prefix + "YWI," + prefix + "YWI"}, "", "several tokens among the subprotocols", "a"},
      {{"a," + prefix + "YWI="}, "", "the subprotocol's token is no base64url", "a"},
      {{"a," + prefix + "Y"}, "", "the subprotocol's token is no base64url", "a"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.protocols);
    HttpRequest request;
    request.headers = {{"Connection", "Upgrade"}, {"Upgrade", "WebSocket"}};
    for (const auto& value : c.protocols) request.headers.emplace_back("sec-websocket-protocol", value);
    const auto token = take_protocol_token(request);
    CHECK((token ? *token : "") == c.token);
    CHECK((token ? "" : token.error().message) == c.error);
    CHECK(request.header("Sec-WebSocket-Protocol") == c.left);
  }
  HttpRequest spdy;
  spdy.headers = {{"Connection", "Upgrade"}, {"Upgrade", "SPDY/3.1"}, {"Sec-WebSocket-Protocol", prefix + "YWI"}};
  CHECK(take_protocol_token(spdy).value().empty());
}

TEST_CASE("A token is reviewed once in two minutes, good or bad; failures are not kept") {
  asio::io_context loop;
  ManualClock clock(wall_clock());
  ScriptedApi api;
  api.answers = {std::string(kGoodToken)};
  Authenticator authenticator(loop.get_executor(), &api, clock, {});
  auto request = with_token("secret");
  const auto user = run(loop, authenticator.authenticate(request, {}));
  REQUIRE(user.has_value());
  CHECK(user->name == "prom");
  CHECK(user->uid == "7");
  CHECK(user->groups == std::vector<std::string>{"g", "system:authenticated"});
  CHECK(user->extra.at("k") == std::vector<std::string>{"v"});
  CHECK(api.requests.at(0).method == "POST");
  CHECK(api.requests.at(0).path == "/apis/authentication.k8s.io/v1/tokenreviews");
  CHECK(json::parse(api.requests.at(0).body)["spec"]["token"] == "secret");
  clock.advance(std::chrono::seconds(119));
  CHECK(run(loop, authenticator.authenticate(request, {})).has_value());
  CHECK(api.requests.size() == 1);
  clock.advance(std::chrono::seconds(2));
  api.answers = {std::string(R"({"status":{"authenticated":false}})")};
  CHECK_FALSE(run(loop, authenticator.authenticate(request, {})).has_value());
  CHECK_FALSE(run(loop, authenticator.authenticate(request, {})).has_value());
  CHECK(api.requests.size() == 2);
  clock.advance(std::chrono::minutes(3));
  api.answers = {make_error(Errc::unavailable, "no API server")};
  CHECK_FALSE(run(loop, authenticator.authenticate(request, {})).has_value());
  CHECK_FALSE(run(loop, authenticator.authenticate(request, {})).has_value());
  CHECK(api.requests.size() == 4);
  api.answers = {std::string(R"({"status":{"error":"token expired"}})")};
  CHECK_FALSE(run(loop, authenticator.authenticate(request, {})).has_value());
}

TEST_CASE("Nobody in particular gets in only where allowed, and never with a bad credential") {
  asio::io_context loop;
  ManualClock clock(wall_clock());
  ScriptedApi api;
  api.answers = {std::string(R"({"status":{"authenticated":false}})")};
  Authenticator open(loop.get_executor(), &api, clock, {.anonymous = true});
  Authenticator shut(loop.get_executor(), &api, clock, {});
  HttpRequest bare;
  CHECK(run(loop, open.authenticate(bare, {}))->name == "system:anonymous");
  CHECK(run(loop, open.authenticate(bare, {}))->groups == std::vector<std::string>{"system:unauthenticated"});
  CHECK_FALSE(run(loop, shut.authenticate(bare, {})).has_value());
  auto bad = with_token("bad");
  CHECK_FALSE(run(loop, open.authenticate(bad, {})).has_value());
}

TEST_CASE("Client certificates: whose they are, which count, and the CA's reload") {
  asio::io_context loop;
  const Folder folder;
  const auto ca = make_cert({.common_name = "ca", .ca = true}),
             other_ca = make_cert({.common_name = "ca2", .ca = true});
  REQUIRE(write_file_atomic(folder.path / "ca.crt", ca.cert_pem()).has_value());
  ManualClock clock(wall_clock());
  Authenticator authenticator(loop.get_executor(), nullptr, clock, {.client_ca_file = folder.path / "ca.crt"});
  HttpRequest bare;
  const auto who = [&](const KeyAndCert& shown) { return run(loop, authenticator.authenticate(bare, {shown.der()})); };
  const auto admin = make_cert({.common_name = "admin", .organizations = {"system:masters", "ops"}}, &ca);
  const auto user = who(admin);
  REQUIRE(user.has_value());
  CHECK(user->name == "admin");
  CHECK(user->groups == std::vector<std::string>{"system:masters", "ops", "system:authenticated"});
  CHECK(user->extra.at("authentication.kubernetes.io/credential-id").at(0).starts_with("X509SHA256="));
  CHECK_FALSE(who(make_cert({.common_name = "admin"}, &other_ca)).has_value());
  CHECK_FALSE(who(make_cert({.common_name = "admin"})).has_value());
  CHECK_FALSE(who(make_cert({.common_name = "admin", .for_clients = false}, &ca)).has_value());
  CHECK_FALSE(who(make_cert({.organizations = {"nameless"}}, &ca)).has_value());
  CHECK_FALSE(who(make_cert({.common_name = "old", .valid_to = -60}, &ca)).has_value());
  CHECK_FALSE(run(loop, authenticator.authenticate(bare, {"no DER at all"})).has_value());

  const auto middle = make_cert({.common_name = "middle", .ca = true}, &ca);
  const auto leaf = make_cert({.common_name = "leaf"}, &middle);
  CHECK_FALSE(who(leaf).has_value());
  CHECK(run(loop, authenticator.authenticate(bare, {leaf.der(), middle.der()}))->name == "leaf");

  REQUIRE(write_file_atomic(folder.path / "ca.crt", other_ca.cert_pem()).has_value());
  CHECK_FALSE(who(admin).has_value());
  REQUIRE(write_file_atomic(folder.path / "ca.crt", other_ca.cert_pem() + ca.cert_pem()).has_value());
  CHECK(who(admin).has_value());
  REQUIRE(write_file_atomic(folder.path / "ca.crt", "broken").has_value());
  CHECK(who(admin).has_value());  // the CA before goes on
  clock.advance(std::chrono::hours(2));
  CHECK_FALSE(who(admin).has_value());
}

TEST_CASE("Access reviews: the body, the texts, and how long each verdict is kept") {
  asio::io_context loop;
  ManualClock clock(wall_clock());
  ScriptedApi api;
  Authorizer authorizer(loop.get_executor(), &api, clock, "n1", {});
  const UserInfo user{.name = "kate", .groups = {"g"}};
  const auto check = [&](const char* method, const char* path) {
    return run(loop, authorizer.check(user, node_access(method, path)));
  };
  api.answers = {std::string(R"({"status":{"allowed":false}})")};
  const auto refused = check("GET", "/pods");
  REQUIRE(refused.has_value());
  CHECK(refused->status == 403);
  CHECK(refused->text == "Forbidden (user=kate, verb=get, resource=nodes, subresource(s)=[pods proxy])");
  REQUIRE(api.requests.size() == 2);
  CHECK(api.requests[0].path == "/apis/authorization.k8s.io/v1/subjectaccessreviews");
  CHECK(json::parse(api.requests[0].body)["spec"] == json::parse(R"({"user": "kate", "groups": ["g"],
      "resourceAttributes": {"verb": "get", "version": "v1", "resource": "nodes", "subresource": "pods", "name": "n1"}})"));
  clock.advance(std::chrono::seconds(29));
  CHECK(check("GET", "/pods").has_value());
  CHECK(api.requests.size() == 2);
  clock.advance(std::chrono::seconds(2));
  api.answers = {std::string(R"({"status":{"allowed":true}})")};
  CHECK_FALSE(check("GET", "/pods").has_value());
  CHECK(api.requests.size() == 3);  // the finer one will do
  clock.advance(std::chrono::seconds(299));
  CHECK_FALSE(check("GET", "/pods").has_value());
  CHECK(api.requests.size() == 3);
  clock.advance(std::chrono::seconds(2));
  api.answers = {make_error(Errc::unavailable, "down")};
  const auto failed = check("GET", "/metrics");
  REQUIRE(failed.has_value());
  CHECK(failed->status == 500);
  CHECK(failed->text == "Authorization error (user=kate, verb=get, resource=nodes, subresource=metrics)");
  Authorizer trusting(loop.get_executor(), nullptr, clock, "n1", {.mode = AuthorizationMode::always_allow});
  CHECK_FALSE(run(loop, trusting.check(user, node_access("POST", "/exec/a/b/c"))).has_value());
  CHECK(parse_access_review(R"({"status":{"allowed":true,"denied":true}})").has_error());
  CHECK(parse_access_review("no JSON").has_error());
}

TEST_CASE("Requests at the same time share one review; one that goes away does not take it along") {
  asio::io_context loop;
  ManualClock clock(wall_clock());
  ScriptedApi api;
  api.answers = {std::string(kGoodToken)};
  api.delay = std::chrono::milliseconds(5);
  Authenticator authenticator(loop.get_executor(), &api, clock, {});
  auto request = with_token("secret");
  int known = 0;
  TaskGroup first(loop.get_executor());
  const auto ask = [&](TaskGroup& group) {
    group.spawn("ask", [](Authenticator& a, HttpRequest& r, int& count) -> Awaitable<void> {
      const auto user = co_await a.authenticate(r, {});
      if (user) ++count;
    }(authenticator, request, known));
  };
  ask(first);
  TaskGroup others(loop.get_executor());
  for (int i = 0; i < 3; ++i) ask(others);
  while (api.requests.empty()) loop.run_one();
  first.cancel();
  loop.run();
  CHECK(api.requests.size() == 1);
  CHECK(known == 3);
}
