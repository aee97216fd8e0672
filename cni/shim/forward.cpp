#include "cni/shim/forward.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/unique_fd.hpp"

namespace keelson::cni {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kConnectPause{50};

// One try. EAGAIN means that the agent's queue is full, which passes as a missing agent does.
Result<UniqueFd> connect_once(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.size() >= sizeof address.sun_path) return errno_error(ENAMETOOLONG, "socket " + name);
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error(errno, "socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const bool absent = errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN || errno == ENOTDIR;
  if (absent) return make_error(Errc::unavailable, "the agent does not listen on " + name);
  return errno_error(errno, "connect to " + name);
}

Result<UniqueFd> connect_until(const std::filesystem::path& path, Clock::time_point deadline) {
  for (;;) {
    auto fd = connect_once(path);
    if (fd || fd.error().code != Errc::unavailable || Clock::now() + kConnectPause >= deadline) return fd;
    std::this_thread::sleep_for(kConnectPause);
  }
}

// Waits until the socket is ready for `events`.
Result<void> wait_for(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return make_error(Errc::deadline_exceeded, "the agent did not answer in time");
    pollfd entry{fd, events, 0};
    const int n = ::poll(&entry, 1, static_cast<int>(left));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return errno_error(errno, "poll");
  }
}

Error gone() { return make_error(Errc::cancelled, "the agent closed the connection without an answer"); }

Result<void> send_all(int fd, std::string_view data, Clock::time_point deadline) {
  while (!data.empty()) {
    const ssize_t n = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n > 0) {
      data.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      CHECK_OK(wait_for(fd, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return gone();
    }
  }
  return {};
}

Result<std::string> receive(int fd, std::size_t size, Clock::time_point deadline) {
  std::string data(size, '\0');
  for (std::size_t at = 0; at < size;) {
    const ssize_t n = ::recv(fd, data.data() + at, size - at, 0);
    if (n > 0) {
      at += static_cast<std::size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      CHECK_OK(wait_for(fd, POLLIN, deadline));
    } else if (n == 0 || errno != EINTR) {
      return gone();
    }
  }
  return data;
}

}  // namespace

Result<ShimReply> forward(const std::filesystem::path& socket, const ShimRequest& request,
                          const ForwardTiming& timing) {
  TRY(UniqueFd fd, connect_until(socket, Clock::now() + timing.connect));
  const auto deadline = Clock::now() + timing.reply;
  CHECK_OK(send_all(fd.get(), frame(encode(request)), deadline));
  TRY(std::string header, receive(fd.get(), kLengthBytes, deadline));
  TRY(std::size_t length, frame_length(header));
  TRY(std::string payload, receive(fd.get(), length, deadline));
  return decode_reply(payload);
}

}  // namespace keelson::cni
