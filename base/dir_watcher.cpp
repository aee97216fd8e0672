#include "base/dir_watcher.hpp"

#include <sys/inotify.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "base/unique_fd.hpp"

namespace keelson {
namespace {

constexpr std::uint32_t kMask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                                IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// Reads all that is queued; true when the watched folder itself is gone.
bool drain(int fd) {
  alignas(inotify_event) char buffer[4096];
  bool gone = false;
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) return gone;
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      gone = gone || (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0;
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
}

}  // namespace

Result<DirWatcher> DirWatcher::open(const Executor& executor, const std::filesystem::path& path) {
  UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return errno_error(errno, "inotify");
  if (::inotify_add_watch(fd.get(), path.c_str(), kMask) < 0) return errno_error(errno, "watch " + path.string());
  return DirWatcher(executor, fd.release());
}

Awaitable<Result<void>> DirWatcher::changed(Milliseconds settle) {
  const auto [ec] =
      co_await fd_.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  if (ec) co_return system_error(ec, "inotify");
  co_await sleep_for(settle);
  if (drain(fd_.native_handle())) co_return make_error(Errc::not_found, "the watched folder is gone");
  co_return Result<void>();
}

}  // namespace keelson
