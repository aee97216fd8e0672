// Follows the kernel's log for processes that it killed for want of memory. Lives on the loop's thread.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <filesystem>
#include <functional>

#include "agent/housekeeping/oom_line.hpp"
#include "base/async.hpp"

namespace keelson::agent {

class OomWatcher {
 public:
  OomWatcher(const Executor& executor, std::function<void(const OomKill&)> on_kill)
      : fd_(executor), on_kill_(std::move(on_kill)) {}

  // Opens the log at its end: what is older was told by an earlier agent. Errors: it cannot be read here, as in many
  // containers.
  Result<void> open(const std::filesystem::path& path = "/dev/kmsg");
  // Until cancelled.
  Awaitable<void> run();

 private:
  asio::posix::stream_descriptor fd_;
  std::function<void(const OomKill&)> on_kill_;
};

}  // namespace keelson::agent
