// The HTTPS server on a real port, asked by a TLS client: handshakes, refusals, reload, and upgraded connections.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <thread>

#include "agent/server/https_server.hpp"
#include "base/files.hpp"
#include "fake_data.hpp"
#include "tls_fixture.hpp"

using namespace keelson;
using namespace keelson::agent;
using namespace keelson::agent::test;

namespace {

constexpr const char* kAllowed = R"({"status":{"allowed":true}})";

class TestHttps {
 public:
  explicit TestHttps(HttpsOptions options = {}, DebugHandlers handlers = {}) : clock(std::chrono::system_clock::now()) {
    char name[] = "/tmp/keelson-https-XXXXXX";
    folder = ::mkdtemp(name);
    serve_as("first");
    CHECK(write_file_atomic(folder / "ca.crt", ca.cert_pem()).has_value());
    options.address = "127.0.0.1";
    options.port = 0;
    options.cert_file = options.key_file = folder / "server.pem";
    reviews.answers = {std::string(kAllowed)};
    const AuthenticationOptions who{.client_ca_file = folder / "ca.crt"};
    const auto executor = loop.get_executor();
    api = std::make_unique<Api>(executor, data, Api::Face::kubelet, handlers);
    authenticator = std::make_unique<Authenticator>(executor, nullptr, clock, who);
    authorizer = std::make_unique<Authorizer>(executor, &reviews, clock, "n1", AuthorizationOptions{});
    server = std::make_unique<HttpsServer>(executor, *api, *authenticator, *authorizer, std::move(options));
    health = std::make_unique<HealthServer>(executor, *api);
    REQUIRE(server->start().has_value());
    REQUIRE(health->start("127.0.0.1", 0).has_value());
    port = server->port();
    thread_ = std::thread([this] { loop.run(); });
  }
  ~TestHttps() {
    asio::co_spawn(loop, stop(), [this](const std::exception_ptr&) { work_.reset(); });
    thread_.join();
    std::filesystem::remove_all(folder);
  }
  void serve_as(const std::string& name) {
    const auto pair = make_cert({.common_name = name, .for_clients = false}, &ca);
    CHECK(write_file_atomic(folder / "server.pem", pair.cert_pem() + pair.key_pem()).has_value());
  }

  std::filesystem::path folder;
  KeyAndCert ca = make_cert({.common_name = "ca", .ca = true});
  KeyAndCert admin = make_cert({.common_name = "admin", .organizations = {"system:masters"}}, &ca);
  asio::io_context loop{1};
  ManualClock clock;
  FakeData data;
  ScriptedApi reviews;
  std::unique_ptr<Api> api;
  std::unique_ptr<Authenticator> authenticator;
  std::unique_ptr<Authorizer> authorizer;
  std::unique_ptr<HttpsServer> server;
  std::unique_ptr<HealthServer> health;
  std::uint16_t port = 0;

 private:
  Awaitable<void> stop() {
    co_await server->stop();
    co_await health->stop();
    co_await authenticator->stop();
    co_await authorizer->stop();
  }
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(loop);
  std::thread thread_;
};

std::string status_line(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }
std::string body_of(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

// A streaming server of one connection: answers 101, echoes until the client's end, then says "bye" and ends.
class Streamer {
 public:
  Streamer() : listen_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(listen_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(listen_, 1) == 0);
    ::getsockname(listen_, reinterpret_cast<sockaddr*>(&at), &size);
    port = ntohs(at.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Streamer() {
    thread_.join();
    ::close(listen_);
  }
  void serve() {
    const int fd = ::accept(listen_, nullptr, nullptr);
    char buffer[65536];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const auto n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      request.append(buffer, static_cast<std::size_t>(n));
    }
    auto rest = request.substr(request.find("\r\n\r\n") + 4);
    std::string out = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n" + rest;
    ::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
    for (ssize_t n; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      ::send(fd, buffer, static_cast<std::size_t>(n), MSG_NOSIGNAL);
    }
    ::send(fd, "bye", 3, MSG_NOSIGNAL);
    ::close(fd);
  }
  std::string request;
  std::uint16_t port = 0;

 private:
  int listen_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("A certificate is asked for and never required; without any credential it is 401") {
  TestHttps test;
  test.data.add_pod("web");
  TlsClient nobody(test.port);
  REQUIRE(nobody.connected());
  const auto refused = nobody.ask("GET", "/pods");
  CHECK(status_line(refused) == "HTTP/1.1 401 Unauthorized");
  CHECK(body_of(refused) == "Unauthorized");
  TlsClient admin(test.port, &test.admin);
  const auto pods = admin.ask("GET", "/pods");
  CHECK(status_line(pods) == "HTTP/1.1 200 OK");
  CHECK(nlohmann::json::parse(body_of(pods))["items"][0]["metadata"]["name"] == "web");
  const auto stranger = make_cert({.common_name = "admin"});
  TlsClient forged(test.port, &stranger);
  CHECK(status_line(forged.ask("GET", "/pods")) == "HTTP/1.1 401 Unauthorized");
}

TEST_CASE("Who is known and may not gets 403, for paths that do not exist as well") {
  TestHttps test;
  test.reviews.answers = {std::string(R"({"status":{"allowed":false}})")};
  const auto text = body_of(TlsClient(test.port, &test.admin).ask("POST", "/exec/default/web/app"));
  CHECK(text == "Forbidden (user=admin, verb=create, resource=nodes, subresource(s)=[proxy])");
  CHECK(status_line(TlsClient(test.port, &test.admin).ask("GET", "/nothing")) == "HTTP/1.1 403 Forbidden");
}

TEST_CASE("Handlers that the configuration takes away answer 405 and say so") {
  struct Case {
    DebugHandlers handlers;
    const char *method, *path, *status, *text;
  };
  constexpr const char *kGone = "Debug endpoints are disabled.\n", *kRefused = "HTTP/1.1 405 Method Not Allowed";
  const DebugHandlers none{.debugging = false};
  const Case cases[] = {
      {none, "POST", "/run/default/web/app?cmd=true", kRefused, kGone},
      {none, "POST", "/exec/default/web/app?command=true&output=1", kRefused, kGone},
      {none, "GET", "/attach/default/web/app", kRefused, kGone},
      {none, "GET", "/portForward/default/web", kRefused, kGone},
      {none, "GET", "/containerLogs/default/web/app", kRefused, kGone},
      {none, "GET", "/runningpods/", kRefused, kGone},
      {none, "GET", "/logs/", kRefused, kGone},
      {none, "GET", "/debug/pprof/heap", kRefused, kGone},
      {none, "GET", "/configz", "HTTP/1.1 404 Not Found", "404 page not found\n"},
      {none, "GET", "/healthz", "HTTP/1.1 200 OK", "ok"},
      {none, "GET", "/pods", "HTTP/1.1 200 OK", nullptr},
      {none, "GET", "/metrics", "HTTP/1.1 200 OK", nullptr},
      {{}, "GET", "/debug/pprof/heap", kRefused, "profiling endpoint is disabled.\n"},
      {{}, "PUT", "/debug/flags/v", "HTTP/1.1 400 Bad Request", "failed set klog.logging.verbosity : not a number"},
      {{}, "GET", "/logs/", "HTTP/1.1 200 OK", nullptr},
      {{.system_log = false}, "GET", "/logs/syslog", kRefused, "logs endpoint is disabled.\n"},
      {{.system_log = false}, "GET", "/configz", "HTTP/1.1 200 OK", nullptr},
      {{.debug_flags = false}, "PUT", "/debug/flags/v", kRefused, "flags endpoint is disabled.\n"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.method, c.path);
    TestHttps test({}, c.handlers);
    const auto answer = TlsClient(test.port, &test.admin).ask(c.method, c.path);
    CHECK(status_line(answer) == c.status);
    if (c.text != nullptr) CHECK(body_of(answer) == c.text);
  }
}

TEST_CASE("The network does not see Keelson's own paths") {
  TestHttps test;
  for (const char* path : {"/keelson/status", "/keelson/explain?name=web"}) {
    CAPTURE(path);
    CHECK(status_line(TlsClient(test.port, &test.admin).ask("GET", path)) == "HTTP/1.1 404 Not Found");
  }
}

TEST_CASE("The node's own paths: health, configuration, logs, checkpoint") {
  TestHttps test;
  test.data.add_pod("web");
  test.data.checkpoints = test.folder / "checkpoints";
  const auto get = [&](const char* path) { return TlsClient(test.port, &test.admin).ask("GET", path); };
  CHECK(body_of(get("/healthz")) == "ok");
  CHECK(body_of(get("/healthz/syncloop")) == "ok");
  CHECK(status_line(get("/healthz/none")) == "HTTP/1.1 404 Not Found");
  CHECK(body_of(get("/healthz?verbose")) == "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed\n");
  CHECK(nlohmann::json::parse(body_of(get("/configz")))["kubeletconfig"]["maxPods"] == 110);
  CHECK(get("/logs/").find("<pre>") != std::string::npos);
  for (const char* path :
       {"/logs/../../etc/passwd", "/logs/%2e%2e/%2e%2e/etc/passwd", "/logs//etc/passwd", "/logs/none"}) {
    CAPTURE(path);
    CHECK(status_line(get(path)) == "HTTP/1.1 404 Not Found");
  }
  const auto saved = TlsClient(test.port, &test.admin).ask("POST", "/checkpoint/default/web/app");
  CHECK(status_line(saved) == "HTTP/1.1 500 Internal Server Error");  // the fake runtime has no such call
  CHECK(body_of(saved).starts_with("checkpointing of default/web/app failed ("));
  CHECK(test.api->counters().at({"GET", "healthz"}) == 4);
}

TEST_CASE("Statistics and metrics") {
  TestHttps test;
  test.data.add_pod("web");
  test.data.usage.node.name = "n1";
  test.data.usage.node.usage.cpu.emplace().usage_ns = 2'000'000'000;
  const auto get = [&](const char* path) { return body_of(TlsClient(test.port, &test.admin).ask("GET", path)); };
  CHECK(nlohmann::json::parse(get("/stats/summary"))["node"]["cpu"]["usageCoreNanoSeconds"] == 2'000'000'000);
  CHECK(test.data.last_detail == stats::Detail::full);
  CHECK(nlohmann::json::parse(get("/stats/summary?only_cpu_and_memory=true"))["node"]["nodeName"] == "n1");
  CHECK(test.data.last_detail == stats::Detail::resource);
  CHECK(get("/metrics/resource").find("\nnode_cpu_usage_seconds_total 2 0\n") != std::string::npos);
  CHECK(get("/metrics/cadvisor").find("cadvisor_version_info{") != std::string::npos);
  CHECK(get("/metrics/probes").find("of_the_probes 2\n") != std::string::npos);
  CHECK(get("/healthz/ping") == "ok");
  const auto slis = get("/metrics/slis");
  CHECK(slis.find("kubernetes_healthcheck{name=\"syncloop\",type=\"healthz\"} 1\n") != std::string::npos);
  CHECK(slis.find("kubernetes_healthchecks_total{name=\"ping\",status=\"success\",type=\"healthz\"} 1\n") !=
        std::string::npos);
  const auto own = get("/metrics");
  for (const char* line :
       {"kubelet_running_pods 1\n", "kubelet_running_containers{container_state=\"running\"} 1\n",
        "kubelet_node_name{node=\"n1\"} 1\n", "of_the_node 1\n", "process_resident_memory_bytes ",
        "kubelet_http_requests_total{long_running=\"false\",method=\"GET\",path=\"metrics/resource\","}) {
    CAPTURE(line);
    CHECK(own.find(line) != std::string::npos);
  }
}

TEST_CASE("A new certificate is served to the next connection; a broken one is not") {
  TestHttps test;
  TlsClient before(test.port, &test.admin);
  CHECK(before.server_name() == "first");
  test.serve_as("second");
  CHECK(TlsClient(test.port).server_name() == "second");
  CHECK(write_file_atomic(test.folder / "server.pem", "broken").has_value());
  CHECK(TlsClient(test.port).server_name() == "second");
  CHECK(status_line(before.ask("GET", "/healthz")) == "HTTP/1.1 200 OK");
}

TEST_CASE("TLS versions and suites as configured; what cannot be met is said at the start") {
  HttpsOptions options;
  options.tls = {.min_version = "VersionTLS13", .cipher_suites = {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}};
  TestHttps test(options);
  CHECK_FALSE(TlsClient(test.port, nullptr, TLS1_2_VERSION).connected());
  CHECK(TlsClient(test.port).connected());
  ServingCertificate bad(test.folder / "server.pem", test.folder / "server.pem", {.cipher_suites = {"TLS_NONE"}});
  CHECK(bad.context().error().message == "tlsCipherSuites: \"TLS_NONE\" is not known");
  ServingCertificate old(test.folder / "server.pem", test.folder / "server.pem", {.min_version = "TLS9"});
  CHECK(old.context().error().code == Errc::invalid_argument);
}

TEST_CASE("More connections than allowed are closed; slow handshakes end") {
  HttpsOptions options;
  options.max_connections = 1;
  options.handshake = std::chrono::milliseconds(50);
  TestHttps test(options);
  auto first = std::make_unique<TlsClient>(test.port);
  CHECK(first->connected());
  CHECK_FALSE(TlsClient(test.port).connected());
}

TEST_CASE("A large header is refused while it comes") {
  TestHttps test;
  TlsClient client(test.port);
  client.send("GET / HTTP/1.1\r\nX: " + std::string(70000, 'x'));
  CHECK(status_line(client.read_all()) == "HTTP/1.1 431 Request Header Fields Too Large");
}

TEST_CASE("An upgraded connection goes through TLS byte for byte, each end ending for itself") {
  TestHttps test;
  test.data.add_pod("web");
  Streamer streamer;
  test.data.cri.exec_url = "http://127.0.0.1:" + std::to_string(streamer.port) + "/exec/abc";
  TlsClient client(test.port, &test.admin);
  client.send(
      "POST /exec/default/web/app?command=cat&input=1&output=1 HTTP/1.1\r\nHost: n\r\nConnection: Upgrade\r\n"
      "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nearly");
  std::string seen;
  while (seen.find("early") == std::string::npos) seen += client.read_some();
  CHECK(status_line(seen) == "HTTP/1.1 101 Switching Protocols");
  // Both directions full at once: neither may wait for the other.
  const std::string block(200'000, 'z');
  std::thread sender([&] { client.send(block); });
  sender.join();
  std::string echoed;
  while (echoed.size() < block.size()) echoed += client.read_some();
  CHECK(echoed == block);
  client.end();
  CHECK(client.read_all() == "bye");
  CHECK(streamer.request.starts_with("POST /exec/abc HTTP/1.1\r\n"));
  CHECK(streamer.request.find("X-Stream-Protocol-Version: v4.channel.k8s.io\r\n") != std::string::npos);
}

TEST_CASE("The health endpoint answers anybody, and nothing else") {
  TestHttps test;
  test.data.add_pod("web");
  const auto ask = [&](const std::string& path) {
    asio::io_context loop;
    asio::ip::tcp::socket socket(loop);
    socket.connect({asio::ip::make_address("127.0.0.1"), test.health->port()});
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n";
    socket.send(asio::buffer(request));
    std::string out;
    char buffer[4096];
    boost::system::error_code ec;
    for (std::size_t n; (n = socket.read_some(asio::buffer(buffer), ec)) > 0;) out.append(buffer, n);
    return out;
  };
  CHECK(body_of(ask("/healthz")) == "ok");
  CHECK(status_line(ask("/pods")) == "HTTP/1.1 404 Not Found");
  CHECK(status_line(ask("/healthzz")) == "HTTP/1.1 404 Not Found");
}
