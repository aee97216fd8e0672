// The server on a real unix socket, asked by the real client.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "agent/cli/api_client.hpp"
#include "fake_data.hpp"

using namespace keelson;
using namespace keelson::agent;
using namespace keelson::agent::test;
using nlohmann::json;

namespace {

// Sends raw bytes and gives all that comes back until the server closes.
std::string ask_raw(const std::string& socket, const std::string& bytes) {
  auto fd = ApiClient(socket).connect();
  REQUIRE(fd.has_value());
  CHECK(::send(fd->get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  std::string out;
  char buffer[4096];
  for (ssize_t n; (n = ::recv(fd->get(), buffer, sizeof buffer, 0)) > 0;)
    out.append(buffer, static_cast<std::size_t>(n));
  return out;
}

std::string status_line(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }

void append(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::app) << text << std::flush;
}

}  // namespace

TEST_CASE("The socket is root's alone, its folder is made, a stale one is replaced, a living one refused") {
  TestServer server;
  std::filesystem::create_directories(server.folder() / "run");
  append(server.socket(), "stale");
  REQUIRE(server.start().has_value());
  struct stat info {};
  REQUIRE(::stat(server.socket().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  asio::io_context loop;
  FakeData data;
  UnixServer second(loop.get_executor(), data, {.socket = server.socket()});
  CHECK(second.start().error().code == Errc::already_exists);
  CHECK(ApiClient(server.socket()).get("/healthz")->body == "ok");
}

TEST_CASE("A socket that only a dead daemon's child still holds is replaced") {
  TestServer server;
  std::filesystem::create_directories(server.folder() / "run");
  int end[2];
  REQUIRE(::pipe(end) == 0);
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    ::close(end[1]);
    const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string(server.socket()).copy(address.sun_path, sizeof address.sun_path - 1);
    const bool listens =
        ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(listener, 8) == 0;
    if (listens && ::fork() == 0) {
      char byte = 0;
      ::_exit(static_cast<int>(::read(end[0], &byte, 1)));
    }
    ::_exit(listens ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(daemon, &status, 0) == daemon);
  CHECK(status == 0);
  CHECK(server.start().has_value());
  ::close(end[0]);
  ::close(end[1]);
}

TEST_CASE("No daemon is said plainly") {
  const auto error = ApiClient("/nonexistent/x.sock").get("/healthz").error();
  CHECK(error.message == "keelson is not running (no daemon at /nonexistent/x.sock)");
}

TEST_CASE("Pods, and their status as the API shows it") {
  TestServer server;
  server.data.add_pod("web").stopping_since = kNow;
  server.data.add_pod("other");
  REQUIRE(server.start().has_value());
  const auto list = ApiClient(server.socket()).get_json("/pods");
  REQUIRE(list.has_value());
  CHECK(list->at("kind") == "PodList");
  REQUIRE(list->at("items").size() == 2);
  CHECK(list->at("items")[0]["status"]["phase"] == "Running");
  CHECK(list->at("items")[0]["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:50Z");
  CHECK_FALSE(list->at("items")[1]["metadata"].contains("deletionTimestamp"));
}

TEST_CASE("A watch gives a line for each change, and ends with its client") {
  TestServer server;
  server.data.add_pod("web");
  REQUIRE(server.start().has_value());
  std::string seen;
  int lines = 0;
  const auto done = ApiClient(server.socket()).stream("/pods?watch=1", [&](std::string_view piece) {
    seen.append(piece);
    if (++lines == 1) {
      server.on_loop([&] {
        server.data.add_pod("late");
        server.data.changed();
      });
    } else if (lines == 2) {
      server.on_loop([&] {
        server.data.entries.erase(server.data.entries.begin());
        server.data.changed();
      });
    }
    return lines < 3;
  });
  CHECK(done.has_value());
  std::vector<std::string> events;
  for (std::size_t end; (end = seen.find('\n')) != std::string::npos; seen.erase(0, end + 1)) {
    const auto event = json::parse(seen.substr(0, end));
    events.push_back(event["type"].get<std::string>() + " " + event["object"]["metadata"]["name"].get<std::string>());
  }
  CHECK(events == std::vector<std::string>{"ADDED web", "ADDED late", "DELETED web"});
}

TEST_CASE("Logs: whole, the tail, and the errors") {
  TestServer server;
  server.data.add_pod("web");
  server.data.log_file = (server.folder() / "0.log").string();
  append(server.data.log_file, "2024-05-01T10:00:00Z stdout F one\n2024-05-01T10:00:01Z stdout F two\n");
  REQUIRE(server.start().has_value());
  const ApiClient client(server.socket());
  CHECK(client.get("/containerLogs/default/web/app")->body == "one\ntwo\n");
  CHECK(client.get("/containerLogs/default/web/app?tailLines=1")->body == "two\n");
  CHECK(client.get("/containerLogs/default/none/app")->status == 404);
  CHECK(client.get("/containerLogs/default/none/app")->body == "pod \"none\" does not exist\n");
  CHECK(client.get("/containerLogs/default/web/none")->status == 404);
  CHECK(client.get("/containerLogs/default/web/app?previous=true")->status == 400);
  CHECK(client.get("/containerLogs/default/web/app?tailLines=x")->status == 400);
  CHECK(client.get("/containerLogs/default/web/app?sinceSeconds=0")->status == 422);
}

TEST_CASE("Following a log goes on across rotation and ends with the container") {
  TestServer server;
  server.data.add_pod("web");
  const auto path = (server.folder() / "0.log").string();
  server.data.log_file = path;
  append(path, "2024-05-01T10:00:00Z stdout F one\n");
  REQUIRE(server.start().has_value());
  std::string seen;
  int step = 0;
  const auto done =
      ApiClient(server.socket()).stream("/containerLogs/default/web/app?follow=true", [&](std::string_view piece) {
        seen.append(piece);
        if (step == 0 && seen == "one\n") {
          step = 1;
          append(path, "2024-05-01T10:00:01Z stdout F two\n");
        } else if (step == 1 && seen == "one\ntwo\n") {
          step = 2;
          std::filesystem::rename(path, path + ".20240501");
          append(path, "2024-05-01T10:00:02Z stdout F three\n");
        } else if (step == 2 && seen == "one\ntwo\nthree\n") {
          step = 3;
          append(path, "2024-05-01T10:00:03Z stdout F last\n");
          server.on_loop([&] {
            auto status = std::make_shared<kube::PodStatus>(*server.data.entries[0].status);
            status->container_statuses[0].state = {};
            status->container_statuses[0].state.terminated.emplace();
            server.data.entries[0].status = status;
            server.data.changed();
          });
        }
        return true;
      });
  CHECK(done.has_value());
  CHECK(seen == "one\ntwo\nthree\nlast\n");
}

TEST_CASE("Requests against the protocol or the limits are refused, and the connection ends") {
  SessionLimits limits;
  limits.max_header_bytes = 2048;
  limits.max_body_bytes = 100;
  limits.request = Milliseconds(100);
  limits.idle = Milliseconds(150);
  TestServer server(limits);
  REQUIRE(server.start().has_value());
  const auto& socket = server.socket();
  CHECK(status_line(ask_raw(socket, "nonsense\r\n\r\n")) == "HTTP/1.1 400 Bad Request");
  CHECK(status_line(ask_raw(socket, "GET / HTTP/1.1\r\nX: " + std::string(4000, 'x') + "\r\n\r\n")) ==
        "HTTP/1.1 431 Request Header Fields Too Large");
  CHECK(status_line(ask_raw(socket, "POST /pods HTTP/1.1\r\nContent-Length: 101\r\n\r\n")) ==
        "HTTP/1.1 413 Payload Too Large");
  CHECK(status_line(ask_raw(socket, "GET /pods HT")) == "HTTP/1.1 408 Request Timeout");
  CHECK(ask_raw(socket, "").empty());  // closed when idle for too long
}

TEST_CASE("A client that does not take its answer is let go of") {
  SessionLimits limits;
  limits.write = Milliseconds(50);
  TestServer server(limits);
  server.data.add_pod("web");
  server.data.log_file = (server.folder() / "0.log").string();
  const std::string line = "2024-05-01T10:00:00Z stdout F " + std::string(1000, 'x') + "\n";
  std::string text;
  for (int i = 0; i < 4000; ++i) text += line;
  append(server.data.log_file, text);
  REQUIRE(server.start().has_value());
  const auto fd = ApiClient(server.socket()).connect();
  REQUIRE(fd.has_value());
  const std::string request = "GET /containerLogs/default/web/app HTTP/1.1\r\n\r\n";
  CHECK(::send(fd->get(), request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()));
  std::this_thread::sleep_for(Milliseconds(200));  // longer than the server's patience
  std::size_t got = 0;
  char buffer[4096];
  for (ssize_t n; (n = ::recv(fd->get(), buffer, sizeof buffer, 0)) > 0;) got += static_cast<std::size_t>(n);
  CHECK(got > 0);
  CHECK(got < 4000 * 1000);
}

TEST_CASE("Two requests over one connection; unknown paths and wrong methods") {
  SessionLimits limits;
  limits.idle = Milliseconds(100);
  TestServer server(limits);
  REQUIRE(server.start().has_value());
  const auto answer = ask_raw(
      server.socket(), "GET /healthz HTTP/1.1\r\n\r\nGET /nowhere HTTP/1.1\r\n\r\nDELETE /pods HTTP/1.1\r\n\r\n");
  CHECK(answer.find("HTTP/1.1 200 OK\r\n") == 0);
  CHECK(answer.find("HTTP/1.1 404 Not Found\r\n") != std::string::npos);
  CHECK(answer.find("HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nAllow: GET\r\n") !=
        std::string::npos);
}

TEST_CASE("More connections than allowed are closed at once") {
  TestServer server({}, 1);
  REQUIRE(server.start().has_value());
  const ApiClient client(server.socket());
  auto first = client.connect();
  REQUIRE(first.has_value());
  CHECK_FALSE(client.get("/healthz").has_value());
}

TEST_CASE("run: the command's output, or its exit code as an error") {
  TestServer server;
  server.data.add_pod("web");
  REQUIRE(server.start().has_value());
  const auto good =
      ask_raw(server.socket(), "POST /run/default/web/app?cmd=echo HTTP/1.1\r\nConnection: close\r\n\r\n");
  CHECK(status_line(good) == "HTTP/1.1 200 OK");
  CHECK(good.find("out of echo\nerr\n") != std::string::npos);
  const auto bad =
      ask_raw(server.socket(), "POST /run/default/web/app?cmd=false HTTP/1.1\r\nConnection: close\r\n\r\n");
  CHECK(status_line(bad) == "HTTP/1.1 500 Internal Server Error");
  CHECK(bad.find("command 'false' exited with 3") != std::string::npos);
}
