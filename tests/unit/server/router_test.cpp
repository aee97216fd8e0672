#include <catch2/catch.hpp>

#include "agent/server/router.hpp"
#include "agent/server/upgrade_proxy.hpp"

using namespace keelson;
using namespace keelson::agent;

namespace {

Router make_router() {
  Router router;
  const Handler none = [](Exchange&) -> Awaitable<void> { co_return; };
  router.add("GET", "/pods", none);
  router.add("GET,POST", "/exec/{namespace}/{pod}/{container}", none);
  router.add("GET,POST", "/exec/{namespace}/{pod}/{uid}/{container}", none);
  return router;
}

}  // namespace

TEST_CASE("Router finds the handler and captures decoded segments") {
  const auto router = make_router();
  const auto exec = router.find("POST", "/exec/default/we%62/app");
  REQUIRE(exec.handler != nullptr);
  CHECK(exec.path.at("namespace") == "default");
  CHECK(exec.path.at("pod") == "web");
  CHECK(exec.path.at("container") == "app");
  CHECK(router.find("GET", "/exec/default/web/u1/app").path.at("uid") == "u1");
  CHECK(router.find("GET", "/pods/").handler != nullptr);
  CHECK(router.find("HEAD", "/pods").handler != nullptr);
}

TEST_CASE("Router tells an unknown path from a wrong method") {
  const auto router = make_router();
  CHECK(router.find("GET", "/nothing").handler == nullptr);
  CHECK(router.find("GET", "/nothing").allowed.empty());
  CHECK(router.find("DELETE", "/exec/a/b/c").handler == nullptr);
  CHECK(router.find("DELETE", "/exec/a/b/c").allowed == "GET, POST");
  CHECK(router.find("GET", "/exec/a//c").handler == nullptr);
  CHECK(router.find("GET", "/exec/a/%zz/c").handler == nullptr);
}

TEST_CASE("Queries and percent-encoding") {
  const auto params = parse_query("command=ls&command=-l+%2Fa&tty=1&empty=&bare");
  CHECK(params == NamedValues{{"command", "ls"}, {"command", "-l /a"}, {"tty", "1"}, {"empty", ""}, {"bare", ""}});
  CHECK(parse_query("").empty());
  CHECK(parse_query("a=%4") == NamedValues{{"a", "%4"}});
  CHECK(percent_encode("a b/c?ü") == "a%20b%2Fc%3F%C3%BC");
  CHECK(percent_decode(percent_encode("a b/%&=+")) == "a b/%&=+");
  CHECK(percent_decode("a+b") == "a+b");
  CHECK(percent_decode("%4") == std::nullopt);
}

TEST_CASE("HttpRequest reads flags and the wish to upgrade") {
  HttpRequest request;
  request.params = parse_query("a=1&b=true&c=0&d=yes");
  CHECK(request.flag("a"));
  CHECK(request.flag("b"));
  CHECK_FALSE(request.flag("c"));
  CHECK_FALSE(request.flag("d"));
  CHECK_FALSE(request.flag("e"));
  CHECK_FALSE(request.wants_upgrade());
  request.headers = {{"connection", "keep-alive, Upgrade"}, {"UPGRADE", "SPDY/3.1"}};
  CHECK(request.wants_upgrade());
  CHECK(request.header("Upgrade") == "SPDY/3.1");
}

TEST_CASE("Streaming URLs of runtimes") {
  const auto url = parse_stream_url("http://127.0.0.1:35003/exec/token?x=1");
  REQUIRE(url.has_value());
  CHECK(url->host == "127.0.0.1");
  CHECK(url->port == "35003");
  CHECK(url->target == "/exec/token?x=1");
  CHECK(parse_stream_url("http://[::1]:80/a")->host == "::1");
  CHECK(parse_stream_url("http://[::1]/a")->port == "80");
  for (const char* bad : {"https://127.0.0.1:1/x", "http://:80/x", "http://h:port/x", "http://h:123456/", ""}) {
    CAPTURE(bad);
    CHECK(parse_stream_url(bad).error().code == Errc::invalid_argument);
  }
}

TEST_CASE("A forwarded request keeps what the two ends agree on, and nothing of who the caller is") {
  HttpRequest request;
  request.method = "POST";
  request.headers = {{"Host", "node:10250"},
                     {"Authorization", "Bearer secret"},
                     {"Connection", "Upgrade"},
                     {"Upgrade", "SPDY/3.1"},
                     {"X-Stream-Protocol-Version", "v4.channel.k8s.io"},
                     {"X-Stream-Protocol-Version", "v3.channel.k8s.io"}};
  CHECK(forwarded_request(request, {"127.0.0.1", "99", "/exec/tok"}) ==
        "POST /exec/tok HTTP/1.1\r\nHost: 127.0.0.1:99\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        "X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: v3.channel.k8s.io\r\n\r\n");
}
