#include "agent/cli/exec_session.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/strings.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr std::size_t kChunk = 32 * 1024;
constexpr std::size_t kMaxQueued = 256 * 1024;  // of stdin, waiting for the daemon to take it

Result<void> write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const auto n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    if (n < 0) return errno_error(errno, "write");
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

class Session {
 public:
  Session(const ExecIo& io, ExecProtocol& protocol) : io_(io), protocol_(protocol) {}
  Result<int> run(const std::string& target);

 private:
  Result<void> upgrade(const std::string& target);
  Result<void> take(std::string_view bytes);
  Result<void> take_chunk(const ExecChunk& chunk);
  Result<void> read_socket();
  Result<void> flush();
  void read_stdin();
  void send_window_size();

  ExecIo io_;
  ExecProtocol& protocol_;
  std::string queued_;  // to the daemon
  bool stdin_open_ = false;
  bool closed_ = false;
  std::optional<int> exit_code_;
  std::optional<Error> failure_;
};

void Session::send_window_size() {
  winsize size{};
  if (io_.window < 0 || ::ioctl(io_.window, TIOCGWINSZ, &size) != 0) return;
  queued_ += protocol_.resize(json{{"Width", size.ws_col}, {"Height", size.ws_row}}.dump());
}

Result<void> Session::upgrade(const std::string& target) {
  CHECK_OK(write_all(io_.socket, protocol_.request(target)));
  std::string answer;
  std::size_t end = std::string::npos;
  while ((end = answer.find("\r\n\r\n")) == std::string::npos && answer.size() < 64 * 1024) {
    char buffer[4096];
    const auto n = ::read(io_.socket, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return make_error(Errc::unavailable, "the daemon closed the connection");
    answer.append(buffer, static_cast<std::size_t>(n));
  }
  if (end == std::string::npos) return make_error(Errc::internal, "the answer to the upgrade is too long");
  if (!answer.starts_with("HTTP/1.1 101")) {
    // Small error texts come with their header or right after; the connection ends behind them.
    char buffer[4096];
    for (ssize_t n = 0; answer.size() < 64 * 1024; answer.append(buffer, static_cast<std::size_t>(n))) {
      pollfd ready{io_.socket, POLLIN, 0};
      if (answer.size() > end + 4 || ::poll(&ready, 1, 1000) <= 0) break;
      if ((n = ::read(io_.socket, buffer, sizeof buffer)) <= 0) break;
    }
    const auto text = trim(std::string_view(answer).substr(end + 4));
    return make_error(Errc::failed_precondition,
                      text.empty() ? answer.substr(0, answer.find("\r\n")) : std::string(text));
  }
  if (!protocol_.accepts(std::string_view(answer).substr(0, end))) {
    return make_error(Errc::internal, "the runtime's streaming server does not speak v4.channel.k8s.io");
  }
  const ExecStreams streams{.in = io_.in >= 0, .err = !io_.tty, .tty = io_.tty};
  queued_ += protocol_.opening(streams);
  return take(std::string_view(answer).substr(end + 4));
}

Result<void> Session::take(std::string_view bytes) {
  TRY(const auto chunks, protocol_.feed(bytes, queued_, closed_));
  for (const auto& chunk : chunks) CHECK_OK(take_chunk(chunk));
  return {};
}

Result<void> Session::take_chunk(const ExecChunk& chunk) {
  if (chunk.data.empty()) return {};
  if (chunk.channel == ExecChannel::out) return write_all(io_.out, chunk.data);
  if (chunk.channel == ExecChannel::err) return write_all(io_.err, chunk.data);
  if (chunk.channel != ExecChannel::status) return {};
  auto code = exec_exit_code(chunk.data);
  if (code) {
    exit_code_ = *code;
  } else {
    failure_ = code.error();
  }
  return {};
}

Result<void> Session::read_socket() {
  char buffer[kChunk];
  const auto n = ::read(io_.socket, buffer, sizeof buffer);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (n < 0) return errno_error(errno, "read from the daemon");
  if (n == 0) closed_ = true;
  return take(std::string_view(buffer, static_cast<std::size_t>(n)));
}

Result<void> Session::flush() {
  const auto n = ::write(io_.socket, queued_.data(), queued_.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (n < 0) {
    // The command may have ended while its stdin was on its way; what it said last is still to be read.
    queued_.clear();
    stdin_open_ = false;
    return {};
  }
  queued_.erase(0, static_cast<std::size_t>(n));
  return {};
}

void Session::read_stdin() {
  char buffer[kChunk];
  const auto n = ::read(io_.in, buffer, sizeof buffer);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) {
    queued_ += protocol_.input(std::string_view(buffer, static_cast<std::size_t>(n)));
    return;
  }
  stdin_open_ = false;
  queued_ += protocol_.input_end();
}

Result<int> Session::run(const std::string& target) {
  CHECK_OK(upgrade(target));
  ::fcntl(io_.socket, F_SETFL, ::fcntl(io_.socket, F_GETFL) | O_NONBLOCK);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGWINCH);
  ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
  const UniqueFd resized(::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC));
  stdin_open_ = io_.in >= 0;
  send_window_size();
  while (!closed_ && !exit_code_ && !failure_) {
    const bool read_in = stdin_open_ && queued_.size() < kMaxQueued;
    pollfd fds[] = {{io_.socket, static_cast<short>(queued_.empty() ? POLLIN : POLLIN | POLLOUT), 0},
                    {read_in ? io_.in : -1, POLLIN, 0},
                    {resized.get(), POLLIN, 0}};
    if (::poll(fds, 3, -1) < 0 && errno != EINTR) return errno_error(errno, "poll");
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) CHECK_OK(read_socket());
    if (fds[0].revents & POLLOUT) CHECK_OK(flush());
    if (fds[1].revents != 0) read_stdin();
    signalfd_siginfo info;
    if (fds[2].revents != 0 && ::read(resized.get(), &info, sizeof info) > 0) send_window_size();
  }
  if (failure_) return *failure_;
  if (exit_code_) return *exit_code_;
  return make_error(Errc::unavailable, "the connection ended before the command did");
}

}  // namespace

Result<int> exec_exit_code(std::string_view text) {
  const auto status = json::parse(text, nullptr, false);
  if (status.is_discarded() || !status.is_object()) return make_error(Errc::internal, std::string(text));
  if (status.value("status", "") == "Success") return 0;
  if (status.value("reason", "") == "NonZeroExitCode" && status.contains("details")) {
    for (const auto& cause : status["details"].value("causes", json::array())) {
      if (cause.value("reason", "") == "ExitCode") return std::atoi(cause.value("message", "1").c_str());
    }
  }
  return make_error(Errc::internal, status.value("message", std::string(text)));
}

Result<int> run_exec_session(const ExecIo& io, ExecProtocol& protocol, const std::string& target) {
  return Session(io, protocol).run(target);
}

}  // namespace keelson::agent
