#include "probes/target.hpp"

#include <catch2/catch.hpp>

#include "kube/container.hpp"
#include "probes/grpc_probe.hpp"
#include "probes/http_probe.hpp"
#include "probes/tcp_probe.hpp"
#include "probes/url.hpp"

using namespace keelson;
using namespace keelson::probes;

namespace {

kube::Container container() {
  kube::Container c;
  c.name = "web";
  c.ports.push_back({"http", 0, 8080, "TCP", ""});
  c.ports.push_back({"admin", 0, 9090, "TCP", ""});
  return c;
}

std::string redirect(const std::string& location) {
  Url base;
  base.host = "10.0.0.1";
  base.port = 8080;
  base.authority = "10.0.0.1:8080";
  base.target = "/a/b?q=1";
  const auto url = resolve_reference(base, location);
  return url ? to_string(*url) + " " + std::to_string(url->port) : "error: " + url.error().message;
}

}  // namespace

TEST_CASE("ports: number, name, number in a string") {
  const auto c = container();
  CHECK(*resolve_port(kube::IntOrString(80), c) == 80);
  CHECK(*resolve_port(kube::IntOrString("admin"), c) == 9090);
  CHECK(*resolve_port(kube::IntOrString("81"), c) == 81);
  CHECK(resolve_port(kube::IntOrString("nope"), c).error().message ==
        "port \"nope\" is no named port of container web");
  CHECK(resolve_port(kube::IntOrString(0), c).error().message == "invalid port number: 0");
  CHECK(resolve_port(kube::IntOrString(70000), c).error().message == "invalid port number: 70000");
}

TEST_CASE("targets: of every kind") {
  const auto c = container();
  kube::Probe probe;
  CHECK(make_target(probe, c, "10.0.0.1").error().code == Errc::invalid_argument);
  CHECK_FALSE(needs_pod_ip(probe));

  probe.grpc.emplace();
  probe.grpc->port = 50051;
  probe.grpc->service = "db";
  CHECK(needs_pod_ip(probe));
  const auto rpc = std::get<std::shared_ptr<const GrpcTarget>>(*make_target(probe, c, "fd00::1"));
  CHECK(rpc->address == "[fd00::1]:50051");
  CHECK(rpc->service == "db");

  probe.tcp_socket.emplace();
  probe.tcp_socket->port = kube::IntOrString("http");
  CHECK(needs_pod_ip(probe));
  CHECK(std::get<std::shared_ptr<const TcpTarget>>(*make_target(probe, c, "10.0.0.1"))->host == "10.0.0.1");
  probe.tcp_socket->host = "db.example";
  CHECK_FALSE(needs_pod_ip(probe));
  const auto tcp = std::get<std::shared_ptr<const TcpTarget>>(*make_target(probe, c, "10.0.0.1"));
  CHECK(tcp->host == "db.example");
  CHECK_FALSE(tcp->address);
  CHECK(tcp->port == 8080);

  probe.http_get.emplace();
  probe.http_get->port = kube::IntOrString("nope");
  CHECK_FALSE(make_target(probe, c, "10.0.0.1").has_value());

  probe.exec.emplace();
  probe.exec->command = {"cat", "/x"};
  CHECK(std::get<std::shared_ptr<const ExecTarget>>(*make_target(probe, c, ""))->argv == probe.exec->command);
}

TEST_CASE("http request: defaults") {
  kube::HttpGetAction action;
  const auto target = make_http_target(action, "10.0.0.1", 8080);
  REQUIRE(target.has_value());
  CHECK(to_string(target->url) == "http://10.0.0.1:8080/");
  CHECK(target->request ==
        "GET / HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.35\r\nAccept: */*\r\nConnection: "
        "close\r\n\r\n");
  action.scheme = "HTTPS";
  action.path = "healthz?full=1#part";
  const auto tls = make_http_target(action, "fd00::1", 443, kLifecycleUserAgent);
  CHECK(to_string(tls->url) == "https://[fd00::1]:443/healthz?full=1");
  CHECK(tls->url.tls);
  CHECK(tls->address);
  CHECK(tls->headers == "User-Agent: kube-lifecycle/1.35\r\nAccept: */*\r\n");
}

TEST_CASE("http request: headers") {
  kube::HttpGetAction action;
  action.http_headers = {{"Host", "app.example"}, {"X-A", "1"}, {"X-A", "2"}, {"user-agent", "me"}, {"Accept", ""}};
  const auto target = make_http_target(action, "10.0.0.1", 80);
  REQUIRE(target.has_value());
  CHECK(target->request ==
        "GET / HTTP/1.1\r\nHost: app.example\r\nX-A: 1\r\nX-A: 2\r\nuser-agent: me\r\nConnection: close\r\n\r\n");
  action.http_headers = {{"X-A", "1\r\nX-Evil: 2"}};
  CHECK(make_http_target(action, "10.0.0.1", 80).error().message == "net/http: invalid header field value for \"X-A\"");
  action.http_headers = {{"X A", "1"}};
  CHECK(make_http_target(action, "10.0.0.1", 80).error().message == "net/http: invalid header field name \"X A\"");
}

TEST_CASE("request targets are escaped where they must be") {
  CHECK(request_target("") == "/");
  CHECK(request_target("a b") == "/a%20b");
  CHECK(request_target("/a%20b?x=%2F") == "/a%20b?x=%2F");
  CHECK(request_target("/100%?x") == "/100%25%3Fx");
  CHECK(request_target("/\r\nX: y") == "/%0D%0AX:%20y");
  CHECK(request_target("/ü") == "/%C3%BC");
}

TEST_CASE("redirects resolve as RFC 3986 says") {
  CHECK(redirect("/x") == "http://10.0.0.1:8080/x 8080");
  CHECK(redirect("c") == "http://10.0.0.1:8080/a/c 8080");
  CHECK(redirect("../c/./d?e#f") == "http://10.0.0.1:8080/c/d?e 8080");
  CHECK(redirect("?z") == "http://10.0.0.1:8080/a/b?z 8080");
  CHECK(redirect("//other/p") == "http://other/p 80");
  CHECK(redirect("https://user@10.0.0.1/p/..") == "https://10.0.0.1/ 443");
  CHECK(redirect("http://[fd00::1]:81") == "http://[fd00::1]:81/ 81");
  CHECK(redirect("/a:b") == "http://10.0.0.1:8080/a:b 8080");
  CHECK(redirect("ftp://x/") == "error: unsupported protocol scheme \"ftp\"");
  CHECK(redirect("http://x:99999/") == "error: invalid port \":99999\" after host");
  CHECK(redirect("http:///p") == "error: no host");
}

TEST_CASE("exec: only literal environment entries are expanded") {
  std::vector<kube::EnvVar> env(3);
  env[0].name = "A";
  env[0].value = "one";
  env[1].name = "B";
  env[1].value_from.emplace();
  env[2].name = "E";
  const auto argv = expand_command({"$(A)", "x$(A)y", "$(B)", "$$(A)", "$(C)", "$A", "$(A", "$", "[$(E)]"}, env);
  CHECK(argv == std::vector<std::string>{"one", "xoney", "$(B)", "$(A)", "$(C)", "$A", "$(A", "$", "[]"});
}

TEST_CASE("durations read as Go prints them") {
  CHECK(format_duration(Seconds(1)) == "1s");
  CHECK(format_duration(Seconds(90)) == "1m30s");
  CHECK(format_duration(Seconds(3600)) == "1h0m0s");
  CHECK(format_duration(Milliseconds(250)) == "250ms");
  CHECK(format_duration(Milliseconds(1050)) == "1.05s");
  CHECK(format_duration(Nanoseconds(0)) == "0s");
  CHECK(format_duration(Nanoseconds(1500)) == "1.5µs");
}
