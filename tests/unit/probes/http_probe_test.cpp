#include "probes/http_probe.hpp"

#include <catch2/catch.hpp>

#include "kube/probe.hpp"
#include "servers.hpp"

using namespace keelson;
using namespace keelson::probes;
using namespace keelson::probes::test;

namespace {

Outcome probe(std::uint16_t port, Nanoseconds timeout = Seconds(5), bool tls = false, std::string path = "/",
              std::string host = {}) {
  kube::HttpGetAction action;
  action.path = std::move(path);
  action.scheme = tls ? "HTTPS" : "HTTP";
  action.host = std::move(host);
  action.http_headers = {{"X-Probe", "yes"}};
  auto target = std::make_shared<HttpTarget>(*make_http_target(action, "127.0.0.1", port));
  return run(http_probe(target, timeout));
}

std::string base_url(const RawServer& server) { return "http://127.0.0.1:" + std::to_string(server.port()); }

RawServer::Answer always(std::string text) {
  return [text](const std::string&) { return text; };
}

}  // namespace

TEST_CASE("http: status codes") {
  struct Row {
    int status;
    OutcomeKind kind;
    std::string text;
  };
  const auto row = GENERATE(values<Row>({
      {200, OutcomeKind::success, "body"},
      {201, OutcomeKind::success, "body"},
      {304, OutcomeKind::warning, "Probe terminated redirects, Response body: "},
      {302, OutcomeKind::warning, "Probe terminated redirects, Response body: body"},  // no Location
      {404, OutcomeKind::failure, "HTTP probe failed with statuscode: 404"},
      {500, OutcomeKind::failure, "HTTP probe failed with statuscode: 500"},
  }));
  const RawServer server(always(reply(row.status, "body")));
  const Outcome outcome = probe(server.port());
  CAPTURE(row.status);
  CHECK(outcome.kind == row.kind);
  CHECK(outcome.text == row.text);
}

TEST_CASE("http: what is sent") {
  const RawServer server(always(reply(204, "")));
  CHECK(probe(server.port(), Seconds(5), false, "/ready?x=1").kind == OutcomeKind::success);
  const std::string host = "127.0.0.1:" + std::to_string(server.port());
  CHECK(server.last_request() == "GET /ready?x=1 HTTP/1.1\r\nHost: " + host +
                                     "\r\nX-Probe: yes\r\nUser-Agent: kube-probe/1.35\r\nAccept: */*\r\n"
                                     "Connection: close\r\n\r\n");
}

TEST_CASE("http: bodies by length, chunked, until close, after an interim response") {
  const std::string text =
      GENERATE(as<std::string>(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nok",
               "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  const RawServer server(always(text));
  const Outcome outcome = probe(server.port());
  CHECK(outcome.kind == OutcomeKind::success);
  CHECK(outcome.text == "ok");
}

TEST_CASE("http: redirects on the same host are followed, ten at most") {
  std::string location = "/next";
  const RawServer server([&](const std::string& request) {
    return request.starts_with("GET /done ") ? reply(200, "there") : reply(302, "", "Location: " + location + "\r\n");
  });
  SECTION("relative") {
    location = "done";
    CHECK(probe(server.port()).text == "there");
    CHECK(server.last_request().find("X-Probe: yes") != std::string::npos);
  }
  SECTION("absolute") {
    location = base_url(server) + "/done";
    CHECK(probe(server.port()).kind == OutcomeKind::success);
  }
  SECTION("in a circle") {
    const Outcome outcome = probe(server.port());
    CHECK(outcome.kind == OutcomeKind::failure);
    CHECK(outcome.text == "Get \"/next\": stopped after 10 redirects");
    CHECK(server.served() == 10);
  }
  SECTION("to another host") {
    location = "http://example.invalid/x";
    const Outcome outcome = probe(server.port());
    CHECK(outcome.kind == OutcomeKind::warning);
    CHECK(outcome.text == "Probe terminated redirects, Response body: ");
    CHECK(server.served() == 1);
  }
  SECTION("to nowhere") {
    location = "ftp://127.0.0.1/";
    CHECK(probe(server.port()).kind == OutcomeKind::failure);
  }
}

TEST_CASE("http: a huge body is read as far as it is kept") {
  const RawServer server([](const std::string&) {
    return "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + std::string(64 * 1024, 'x');
  });
  const Outcome outcome = probe(server.port());
  CHECK(outcome.kind == OutcomeKind::success);
  CHECK(outcome.text == std::string(kMaxOutput, 'x'));
}

TEST_CASE("http: a server that is slow") {
  RawServer server(always(""));
  server.linger(Seconds(3));
  const auto before = std::chrono::steady_clock::now();
  const Outcome outcome = probe(server.port(), Milliseconds(100));
  CHECK(std::chrono::steady_clock::now() - before < Seconds(2));
  CHECK(outcome.kind == OutcomeKind::failure);
  CHECK(outcome.text == "Get \"" + base_url(server) +
                            "/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
}

TEST_CASE("http: a body that stalls or breaks off says nothing about the container") {
  RawServer server(always("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
  CHECK(probe(server.port()).kind == OutcomeKind::error);
  CHECK(probe(server.port()).text == "unexpected EOF");
  server.linger(Seconds(3));
  const Outcome stalled = probe(server.port(), Milliseconds(100));
  CHECK(stalled.kind == OutcomeKind::error);
  CHECK(stalled.text == "context deadline exceeded (Client.Timeout or context cancellation while reading body)");
}

TEST_CASE("http: no HTTP at all") {
  SECTION("garbage") {
    const RawServer server(always("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
    const Outcome outcome = probe(server.port());
    CHECK(outcome.kind == OutcomeKind::failure);
    CHECK(outcome.text.find("transport connection broken: malformed HTTP response") != std::string::npos);
  }
  SECTION("nothing") {
    const RawServer server(always(""));
    const Outcome outcome = probe(server.port());
    CHECK(outcome.kind == OutcomeKind::failure);
    CHECK(outcome.text == "Get \"" + base_url(server) + "/\": EOF");
  }
  SECTION("nobody") {
    std::uint16_t port = 0;
    { port = RawServer(always("")).port(); }
    const Outcome outcome = probe(port);
    const std::string address = "127.0.0.1:" + std::to_string(port);
    CHECK(outcome.kind == OutcomeKind::failure);
    CHECK(outcome.text == "Get \"http://" + address + "/\": dial tcp " + address + ": connect: connection refused");
  }
}

TEST_CASE("https: certificates are not verified") {
  const RawServer server(always(reply(200, "secret")), true);
  const Outcome outcome = probe(server.port(), Seconds(5), true);
  CHECK(outcome.text == "secret");
  CHECK(outcome.kind == OutcomeKind::success);
  CHECK(probe(server.port(), Seconds(5), true, "/", "localhost").kind == OutcomeKind::success);  // resolved, with SNI
}

TEST_CASE("https: a plain server is named as such") {
  const RawServer server(always("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const Outcome outcome = probe(server.port(), Seconds(5), true);
  CHECK(outcome.kind == OutcomeKind::failure);
  CHECK(outcome.text == "Get \"https://127.0.0.1:" + std::to_string(server.port()) +
                            "/\": http: server gave HTTP response to HTTPS client");
}
