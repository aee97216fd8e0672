#include "agent/housekeeping/oom_watcher.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {

Result<void> OomWatcher::open(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return errno_error(errno, "open " + path.string());
  if (::lseek(fd.get(), 0, SEEK_END) < 0) return errno_error(errno, "seek in " + path.string());
  fd_.assign(fd.release());
  return {};
}

Awaitable<void> OomWatcher::run() {
  std::array<char, 8192> record{};  // the kernel's longest, CONSOLE_EXT_LOG_MAX
  for (;;) {
    // Each read gives one record.
    const auto [ec, n] = co_await fd_.async_read_some(asio::buffer(record), asio::as_tuple(asio::use_awaitable));
    if (ec == boost::system::errc::broken_pipe) continue;  // records were overwritten before they were read
    if (ec) {
      if (ec != asio::error::operation_aborted) log_warn("kernel log not followed any more", {{"error", ec.message()}});
      co_return;
    }
    if (const auto kill = parse_oom_record({record.data(), n})) on_kill_(*kill);
  }
}

}  // namespace keelson::agent
