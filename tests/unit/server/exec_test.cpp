// exec from the client's loop through the daemon's proxy to a streaming server, as a runtime has it.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "agent/cli/api_client.hpp"
#include "agent/cli/exec_session.hpp"
#include "agent/cli/websocket.hpp"
#include "fake_data.hpp"

using namespace keelson;
using namespace keelson::agent;
using namespace keelson::agent::test;

namespace {

std::string unmasked(std::string_view frame) {
  std::string out(frame.substr(6));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ frame[2 + i % 4]);
  return out;
}

std::string frame(std::string_view payload) {
  std::string out = "\x82";
  out += static_cast<char>(payload.size());
  return out.append(payload);
}

// A streaming server for one connection: gives the request's header to `serve`, with the socket.
class StreamingServer {
 public:
  explicit StreamingServer(std::function<void(int fd, const std::string& header)> serve) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 4) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no listener");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const int fd = ::accept(listener_, nullptr, nullptr);
      std::string header;
      char c = 0;
      while (header.find("\r\n\r\n") == std::string::npos && ::recv(fd, &c, 1, 0) == 1) header += c;
      serve(fd, header);
      ::close(fd);
    });
  }
  ~StreamingServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/exec/token"; }

 private:
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

void send_text(int fd, const std::string& text) {
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0) throw std::runtime_error("send");
}

std::string receive(int fd, std::size_t size) {
  std::string out(size, '\0');
  const auto n = ::recv(fd, out.data(), size, MSG_WAITALL);
  out.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  return out;
}

void accept_upgrade(int fd, const std::string& header) {
  const std::string name = "Sec-WebSocket-Key: ";
  const auto at = header.find(name) + name.size();
  send_text(fd,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
                websocket_accept(header.substr(at, header.find("\r\n", at) - at)) +
                "\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n");
}

struct Pipe {
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  }
  ~Pipe() {
    for (const int fd : ends) ::close(fd);
  }
  std::string take() {
    char buffer[4096];
    const auto n = ::read(ends[0], buffer, sizeof buffer);
    return std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  }
  int ends[2] = {-1, -1};
};

Result<int> exec(const TestServer& server, ExecIo io, const std::string& target) {
  auto socket = ApiClient(server.socket()).connect();
  if (!socket) return socket.error();
  io.socket = socket->get();
  const auto protocol = make_websocket_protocol();
  return run_exec_session(io, *protocol, target);
}

}  // namespace

TEST_CASE("exec copies all streams and passes the exit code on") {
  std::string got_stdin, header_seen;
  StreamingServer runtime([&](int fd, const std::string& header) {
    header_seen = header;
    accept_upgrade(fd, header);
    got_stdin = unmasked(receive(fd, 6 + 6));  // channel byte + "hello"
    send_text(fd, frame(std::string("\x01", 1)) + frame("\x01out\n") +
                      frame("\x02"
                            "err\n"));
    send_text(
        fd,
        frame(
            "\x03"
            R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}})"));
  });
  TestServer server;
  server.data.add_pod("web");
  server.data.cri.exec_url = runtime.url();
  REQUIRE(server.start().has_value());
  Pipe in, out, err;
  REQUIRE(::write(in.ends[1], "hello", 5) == 5);
  ExecIo io;
  io.in = in.ends[0];
  io.out = out.ends[1];
  io.err = err.ends[1];
  const auto code = exec(server, io, "/exec/default/web/app?command=sh&command=-c&input=1&output=1&error=1");
  REQUIRE(code.has_value());
  CHECK(*code == 7);
  CHECK(out.take() == "out\n");
  CHECK(err.take() == "err\n");
  CHECK(got_stdin == std::string("\0hello", 6));
  CHECK(header_seen.find("GET /exec/token HTTP/1.1\r\n") == 0);
  CHECK(server.data.cri.last_exec.container_id() == "c1");
  CHECK(server.data.cri.last_exec.cmd_size() == 2);
  CHECK(server.data.cri.last_exec.stdin());
  CHECK(server.data.cri.last_exec.stderr());
  CHECK_FALSE(server.data.cri.last_exec.tty());
}

TEST_CASE("exec tells why it was refused") {
  TestServer server;
  server.data.add_pod("web");
  REQUIRE(server.start().has_value());
  const ExecIo io;
  CHECK(exec(server, io, "/exec/default/none/app?output=1").error().message == "pod does not exist");
  CHECK(exec(server, io, "/exec/default/web/none?output=1").error().message == "container not found (\"none\")");
  CHECK(exec(server, io, "/exec/default/web/app").error().message ==
        "you must specify at least 1 of stdin, stdout, stderr");
  CHECK(exec(server, io, "/exec/default/web/app?output=1").error().message == "too many streams");
  CHECK(ApiClient(server.socket()).get("/exec/default/web/app?output=1")->body == "Upgrade request required\n");
  CHECK(ApiClient(server.socket()).get("/portForward/default/web")->status == 400);
}

TEST_CASE("What the runtime answers instead of an upgrade reaches the client") {
  StreamingServer runtime([](int fd, const std::string&) {
    send_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 11\r\n\r\nno token x\n");
  });
  TestServer server;
  server.data.add_pod("web");
  server.data.cri.exec_url = runtime.url();
  REQUIRE(server.start().has_value());
  CHECK(exec(server, ExecIo{}, "/exec/default/web/app?output=1").error().message == "no token x");
}

TEST_CASE("A half-closed connection still brings the other half") {
  StreamingServer runtime([](int fd, const std::string& header) {
    send_text(fd, "HTTP/1.1 101 Switching Protocols\r\n\r\n" + header.substr(0, 4));
    std::string all;
    for (std::string part; !(part = receive(fd, 1)).empty();) all += part;  // until the client's end of stream
    send_text(fd, "got " + all);
  });
  TestServer server;
  server.data.add_pod("web");
  server.data.cri.exec_url = runtime.url();
  REQUIRE(server.start().has_value());
  const auto fd = ApiClient(server.socket()).connect();
  REQUIRE(fd.has_value());
  // Bytes right behind the header belong to the upgraded connection.
  send_text(fd->get(),
            "POST /exec/default/web/app?output=1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nabc");
  ::shutdown(fd->get(), SHUT_WR);
  std::string answer;
  for (std::string part; !(part = receive(fd->get(), 1)).empty();) answer += part;
  CHECK(answer == "HTTP/1.1 101 Switching Protocols\r\n\r\nPOSTgot abc");
}
