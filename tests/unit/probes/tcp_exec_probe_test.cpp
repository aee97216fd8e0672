#include <arpa/inet.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "base/unique_fd.hpp"
#include "probes/dial.hpp"
#include "probes/exec_probe.hpp"
#include "probes/tcp_probe.hpp"
#include "servers.hpp"

using namespace keelson;
using namespace keelson::probes;
using namespace keelson::probes::test;

namespace {

Outcome probe(std::uint16_t port, Nanoseconds timeout = Seconds(5), const std::string& host = "127.0.0.1") {
  auto target = std::make_shared<TcpTarget>();
  target->host = host;
  target->address = address_literal(host);
  target->port = port;
  return run(tcp_probe(target, timeout));
}

Awaitable<Result<ExecResult>> answer_exec(Result<ExecResult> result) { co_return result; }

Outcome exec(const Result<ExecResult>& result) {
  const ExecCallback callback = [&](std::string id, std::vector<std::string> argv, Nanoseconds timeout) {
    CHECK(id == "c1");
    CHECK(argv == std::vector<std::string>{"cat", "/tmp/x"});
    CHECK(timeout == Seconds(1));
    return answer_exec(result);
  };
  std::vector<std::string> argv = {"cat", "/tmp/x"};
  return run(exec_probe(callback, "c1", argv, Seconds(1)));
}

}  // namespace

TEST_CASE("tcp: open and closed ports, by address and by name") {
  std::uint16_t port = 0;
  {
    const RawServer server([](const std::string&) { return ""; });
    port = server.port();
    CHECK(probe(port).kind == OutcomeKind::success);
    CHECK(probe(port, Seconds(5), "localhost").kind == OutcomeKind::success);
  }
  const Outcome closed = probe(port);
  CHECK(closed.kind == OutcomeKind::failure);
  CHECK(closed.text == "dial tcp 127.0.0.1:" + std::to_string(port) + ": connect: connection refused");
}

TEST_CASE("tcp: a listener whose backlog is full swallows connections until the timeout") {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(listener.get(), generic, size) == 0);
  REQUIRE(::listen(listener.get(), 0) == 0);
  ::getsockname(listener.get(), generic, &size);
  std::vector<UniqueFd> fill;
  for (int i = 0; i < 3; ++i) {
    fill.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int connected = ::connect(fill.back().get(), generic, size);
    CHECK((connected == 0 || errno == EINPROGRESS));
  }
  const auto before = std::chrono::steady_clock::now();
  const Outcome outcome = probe(ntohs(address.sin_port), Milliseconds(100));
  CHECK(std::chrono::steady_clock::now() - before < Seconds(2));
  CHECK(outcome.kind == OutcomeKind::failure);
  CHECK(outcome.text == "dial tcp 127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + ": i/o timeout");
}

TEST_CASE("exec: exit codes, timeout, runtime error, output limit") {
  ExecResult result;
  result.output = "fine";
  CHECK(exec(result).kind == OutcomeKind::success);
  result.exit_code = 2;
  result.output = std::string(kMaxOutput + 5, 'x');
  const Outcome failed = exec(result);
  CHECK(failed.kind == OutcomeKind::failure);
  CHECK(failed.text.size() == kMaxOutput);
  const Outcome late = exec(make_error(Errc::deadline_exceeded, "context deadline exceeded"));
  CHECK(late.kind == OutcomeKind::failure);
  CHECK(late.text == "command timed out: \"cat /tmp/x\" timed out after 1s");
  const Outcome broken = exec(make_error(Errc::unavailable, "runtime is gone"));
  CHECK(broken.kind == OutcomeKind::error);
  CHECK(broken.text == "runtime is gone");
}
