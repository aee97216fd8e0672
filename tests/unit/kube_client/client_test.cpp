#include "kube/client/client.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "../loop.hpp"
#include "../temp_dir.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"
#include "base/task_group.hpp"
#include "kube/client/objects.hpp"
#include "kube/config.hpp"
#include "printing.hpp"
#include "tls_server.hpp"

using namespace keelson;
using namespace keelson::kube;
using namespace keelson::kube::test;
using Strings = std::vector<std::string>;

namespace {

const Identity& server_identity() {
  static const Identity identity = make_identity("server", {"api.example"}, {"127.0.0.1"});
  return identity;
}

// A server, and a client that trusts it.
struct Fixture {
  explicit Fixture(TlsServer::Handler handler) : server(loop.executor(), server_identity(), std::move(handler)) {
    config.server = server.url();
    config.ca.data = server_identity().certificate;
  }
  ApiClient& client() {
    if (!client_) client_ = std::make_unique<ApiClient>(loop.executor(), config);
    return *client_;
  }
  Result<std::string> send(const std::string& method, const std::string& path, const std::string& body = {},
                           Nanoseconds timeout = Seconds(10)) {
    ApiRequest request = api_request(method, path, body);
    request.timeout = timeout;
    return loop.run(client().send(std::move(request)));
  }

  keelson::testing::Loop loop;
  TlsServer server;
  ClientConfig config;
  std::unique_ptr<ApiClient> client_;
};

std::string status(int code, const std::string& reason) {
  return R"({"kind":"Status","status":"Failure","message":"the message","reason":")" + reason + R"(","code":)" +
         std::to_string(code) + "}";
}

// Runs a stream in a task group, so that it can be cancelled.
struct Stream {
  Stream(Fixture& fixture, const std::string& path, Nanoseconds timeout = Seconds(10))
      : tasks(fixture.loop.executor()) {
    ApiRequest request = api_request("GET", path);
    request.timeout = timeout;
    tasks.spawn("stream", run(*this, fixture.client(), request));
  }
  static Awaitable<void> run(Stream& self, Api& api, ApiRequest request) {
    Api::LineHandler handler = [&self](std::string_view line) { self.lines.emplace_back(line); };
    self.result = co_await api.stream(std::move(request), std::move(handler));
  }
  Strings lines;
  std::optional<Result<void>> result;
  TaskGroup tasks;
};

}  // namespace

TEST_CASE("a request arrives as asked and its answer comes back", "[client]") {
  Fixture f([](const Asked&) { return reply(201, R"({"a":1})"); });
  f.config.token = "secret";
  const auto answer = f.send("POST", "/api/v1/namespaces/x/pods?dryRun=All", R"({"kind":"Pod"})");
  REQUIRE(answer);
  CHECK(*answer == R"({"a":1})");
  REQUIRE(f.server.asked.size() == 1);
  const Asked& asked = f.server.asked[0];
  CHECK(asked.method == "POST");
  CHECK(asked.target == "/api/v1/namespaces/x/pods?dryRun=All");
  CHECK(asked.body == R"({"kind":"Pod"})");
  CHECK(asked.headers.at("content-type") == "application/json");
  CHECK(asked.headers.at("accept") == "application/json");
  CHECK(asked.headers.at("authorization") == "Bearer secret");
  CHECK(asked.headers.at("user-agent").starts_with("keelson/"));
  CHECK(asked.headers.at("user-agent").ends_with(" (linux/amd64)"));
  CHECK(asked.headers.count("expect") == 0);
  REQUIRE(f.send("GET", "/"));
  CHECK(f.server.connections == 1);
  CHECK(f.server.asked[1].headers.count("content-type") == 0);
}

TEST_CASE("typed calls use the kind's paths", "[client]") {
  Fixture f([](const Asked& asked) {
    if (asked.method == "GET") return reply(404, status(404, "NotFound"));
    return reply(200, R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","namespace":"n","uid":"7"}})");
  });
  ConfigMap map;
  map.metadata.ns = "n";
  map.metadata.name = "c";
  map.data["k"] = "v";
  const auto created = f.loop.run(create<ConfigMap>(f.client(), map));
  REQUIRE(created);
  CHECK(created->metadata.uid == "7");
  REQUIRE(f.loop.run(update<ConfigMap>(f.client(), map)));
  REQUIRE(f.loop.run(patch<ConfigMap>(f.client(), "n", "c", "", R"({"data":{"k":"w"}})", kMergePatch)));
  DeleteOptions options;
  options.grace_period_seconds = 0;
  options.uid = "7";
  REQUIRE(f.loop.run(remove(f.client(), object_path<ConfigMap>("n", "c"), options)));
  const auto missing = f.loop.run(get<ConfigMap>(f.client(), "n", "c"));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Errc::not_found);
  Strings calls;
  for (const auto& a : f.server.asked) calls.push_back(a.method + " " + a.target);
  CHECK(calls == Strings{"POST /api/v1/namespaces/n/configmaps", "PUT /api/v1/namespaces/n/configmaps/c",
                         "PATCH /api/v1/namespaces/n/configmaps/c", "DELETE /api/v1/namespaces/n/configmaps/c",
                         "GET /api/v1/namespaces/n/configmaps/c"});
  CHECK(f.server.asked[2].headers.at("content-type") == "application/merge-patch+json");
  CHECK(f.server.asked[3].body ==
        R"({"apiVersion":"v1","gracePeriodSeconds":0,"kind":"DeleteOptions","preconditions":{"uid":"7"}})");
}

TEST_CASE("429 and 503 are waited for and tried again", "[client]") {
  int tries = 0;
  Fixture f([&](const Asked&) {
    ++tries;
    if (tries == 1) return reply(429, status(429, "TooManyRequests"), "Retry-After: 0\r\n");
    if (tries == 2) return reply(503, "starting", "retry-after: 1\r\n");
    return reply(200, "{}");
  });
  const auto begin = std::chrono::steady_clock::now();
  CHECK(f.send("GET", "/x"));
  CHECK(tries == 3);
  CHECK(std::chrono::steady_clock::now() - begin >= Seconds(1));
}

TEST_CASE("a wait beyond the time allowed is not begun", "[client]") {
  Fixture f([&](const Asked&) { return reply(429, status(429, "TooManyRequests"), "Retry-After: 20\r\n"); });
  const auto answer = f.send("GET", "/x");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Errc::resource_exhausted);
  CHECK(f.server.asked.size() == 1);
}

TEST_CASE("no answer is deadline_exceeded, no server unavailable", "[client]") {
  Fixture f([](const Asked&) { return std::string(); });
  const auto late = f.send("GET", "/slow", "", Milliseconds(100));
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Errc::deadline_exceeded);
  CHECK(late.error().message.find("/slow") != std::string::npos);
  f.loop.pump_until([&] { return f.server.closed == 1; });
  f.config.server = "https://127.0.0.1:1";
  f.client_.reset();
  const auto nobody = f.send("GET", "/x");
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().code == Errc::unavailable);
}

TEST_CASE("a server that the CA does not vouch for gets nothing", "[client]") {
  Fixture f([](const Asked&) { return reply(200, "{}"); });
  f.config.token = "secret";
  SECTION("another CA") { f.config.ca.data = make_identity("other").certificate; }
  SECTION("another name") { f.config.tls_server_name = "elsewhere.example"; }
  SECTION("the system's CAs") { f.config.ca.data.clear(); }
  const auto answer = f.send("GET", "/");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Errc::unavailable);
  CHECK(f.server.asked.empty());
}

TEST_CASE("the server's name and its certificate can be told apart", "[client]") {
  Fixture f([](const Asked&) { return reply(200, "{}"); });
  SECTION("tls-server-name") { f.config.tls_server_name = "api.example"; }
  SECTION("insecure-skip-tls-verify") {
    f.config.ca.data.clear();
    f.config.insecure_skip_tls_verify = true;
  }
  REQUIRE(f.send("GET", "/"));
  CHECK("https://" + f.server.asked[0].headers.at("host") == f.server.url());
}

TEST_CASE("a stream comes line by line until its end", "[client]") {
  Fixture f([](const Asked&) { return chunked_head() + chunk("one\ntwo\nth"); });
  Stream stream(f, "/watch");
  f.loop.pump_until([&] { return stream.lines.size() == 2; });
  f.server.push(chunk("ree\n\nfour"));
  f.loop.pump_until([&] { return stream.lines.size() == 3; });
  f.server.push(chunk(""));
  f.loop.pump_until([&] { return stream.result.has_value(); });
  CHECK(stream.lines == Strings{"one", "two", "three", "four"});
  CHECK(*stream.result);
}

TEST_CASE("a stream that breaks, stays silent or is refused is an error", "[client]") {
  Fixture f([](const Asked& asked) {
    if (asked.target == "/gone") return reply(410, status(410, "Expired"));
    return chunked_head() + chunk("one\n");
  });
  SECTION("cut") {
    Stream stream(f, "/watch");
    f.loop.pump_until([&] { return stream.lines.size() == 1; });
    f.server.hang_up();
    f.loop.pump_until([&] { return stream.result.has_value(); });
    REQUIRE_FALSE(*stream.result);
    CHECK(stream.result->error().code == Errc::unavailable);
  }
  SECTION("silent") {
    Stream stream(f, "/watch", Milliseconds(100));
    f.loop.pump_until([&] { return stream.result.has_value(); });
    REQUIRE_FALSE(*stream.result);
    CHECK(stream.result->error().code == Errc::deadline_exceeded);
    CHECK(stream.lines.size() == 1);
  }
  SECTION("refused") {
    Stream stream(f, "/gone");
    f.loop.pump_until([&] { return stream.result.has_value(); });
    REQUIRE_FALSE(*stream.result);
    CHECK(stream.result->error().reason == "Expired");
    CHECK(stream.lines.empty());
  }
}

TEST_CASE("a cancelled stream closes its connection at once", "[client]") {
  Fixture f([](const Asked&) { return chunked_head() + chunk("one\n"); });
  Stream stream(f, "/watch");
  f.loop.pump_until([&] { return stream.lines.size() == 1; });
  stream.tasks.cancel();
  f.loop.pump_until([&] { return f.server.closed == 1; });
  CHECK(stream.tasks.size() == 0);
  CHECK_FALSE(stream.result.has_value());
}

TEST_CASE("closing the connections ends what is under way", "[client]") {
  Fixture f(
      [](const Asked& asked) { return asked.target == "/watch" ? chunked_head() + chunk("one\n") : reply(200, "{}"); });
  Stream stream(f, "/watch");
  f.loop.pump_until([&] { return stream.lines.size() == 1; });
  f.client().close_connections();
  f.loop.pump_until([&] { return stream.result.has_value(); });
  REQUIRE_FALSE(*stream.result);
  CHECK(stream.result->error().code == Errc::unavailable);
  CHECK(f.send("GET", "/"));
  CHECK(f.server.connections == 2);
}

TEST_CASE("a rotated certificate and token are used from the next request on", "[client]") {
  const testing::TempDir dir;
  const Identity first = make_identity("first");
  const Identity second = make_identity("second");
  REQUIRE(write_file_atomic(dir.path() / "client.pem", first.certificate + first.key));
  REQUIRE(write_file_atomic(dir.path() / "token", "t1\n"));
  Fixture f(
      [](const Asked& asked) { return asked.target == "/watch" ? chunked_head() + chunk("one\n") : reply(200, "{}"); });
  f.config.client_certificate.file = f.config.client_key.file = dir.path() / "client.pem";
  f.config.token_file = dir.path() / "token";
  Stream stream(f, "/watch");
  f.loop.pump_until([&] { return stream.lines.size() == 1; });
  CHECK(f.server.asked.back().client_name == "first");
  CHECK(f.server.asked.back().headers.at("authorization") == "Bearer t1");

  REQUIRE(write_file_atomic(dir.path() / "client.pem", second.certificate + first.key));  // a pair half replaced
  f.loop.pump_for(Milliseconds(1050));
  REQUIRE(f.send("GET", "/"));
  CHECK(f.server.asked.back().client_name == "first");

  REQUIRE(write_file_atomic(dir.path() / "client.pem", second.certificate + second.key));
  REQUIRE(write_file_atomic(dir.path() / "token", "t2"));
  f.loop.pump_for(Milliseconds(1050));
  REQUIRE(f.send("GET", "/"));
  CHECK(f.server.asked.back().client_name == "second");
  CHECK(f.server.asked.back().headers.at("authorization") == "Bearer t2");
  CHECK_FALSE(stream.result.has_value());  // what runs goes on
}

TEST_CASE("an exec plugin's token is used until it expires or is refused", "[client]") {
  const testing::TempDir dir;
  REQUIRE(write_file_atomic(dir.path() / "count", ""));
  REQUIRE(write_file_atomic(dir.path() / "plugin", R"sh(#!/bin/sh
cd "$(dirname "$0")"
echo x >> count
printf '%s' "$KUBERNETES_EXEC_INFO" > info
echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t'$(wc -l < count)$1$TAIL'"}}'
)sh",
                            0755));
  Fixture f([](const Asked& asked) {
    return asked.headers.at("authorization") == "Bearer t1-ab" ? reply(401, status(401, "Unauthorized"))
                                                               : reply(200, "{}");
  });
  f.config.exec =
      ExecPlugin{"client.authentication.k8s.io/v1", dir.path() / "plugin", {"-a"}, {{"TAIL", "b"}}, true, ""};
  REQUIRE(f.send("GET", "/1"));
  CHECK(f.server.asked.back().headers.at("authorization") == "Bearer t2-ab");
  REQUIRE(f.send("GET", "/2"));
  CHECK(f.server.asked.back().headers.at("authorization") == "Bearer t2-ab");
  CHECK(f.server.asked.size() == 3);
  const auto info = read_file(dir.path() / "info");
  REQUIRE(info);
  CHECK(info->find(f.server.url()) != std::string::npos);
  CHECK(info->find("certificate-authority-data") != std::string::npos);
}

TEST_CASE("credentials that are not there are told by name", "[client]") {
  Fixture f([](const Asked&) { return reply(200, "{}"); });
  f.config.token_file = "/nonexistent/token";
  const auto answer = f.send("GET", "/");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Errc::unavailable);
  CHECK(answer.error().message.find("/nonexistent/token") != std::string::npos);
}
