// One container's log file on disk: where to begin, reading on, and noticing that it grew or was rotated.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <filesystem>
#include <memory>

#include "base/blocking_pool.hpp"
#include "base/notifier.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {

class LogFile {
 public:
  // Opens the file and goes to where its last `tail_lines` lines begin (none: to its start).
  static Awaitable<Result<LogFile>> open(BlockingPool& pool, std::filesystem::path path,
                                         std::optional<std::int64_t> tail_lines);

  // The next bytes, at most 64 KiB; empty at the end of what is written so far.
  Awaitable<Result<std::string>> read();
  // If the path names another file now, goes to that one's start. Call at the end of the present one.
  Awaitable<Result<bool>> follow_rotation();

 private:
  LogFile(BlockingPool& pool, std::filesystem::path path, UniqueFd fd, std::int64_t offset)
      : pool_(&pool), path_(std::move(path)), fd_(std::make_shared<UniqueFd>(std::move(fd))), offset_(offset) {}

  BlockingPool* pool_;
  std::filesystem::path path_;
  std::shared_ptr<UniqueFd> fd_;  // shared with a read that goes on after its caller was cancelled
  std::int64_t offset_ = 0;
};

// Tells that something was written to the folder of a log, or renamed in it.
class LogWatch {
 public:
  static Result<LogWatch> open(const Executor& executor, const std::filesystem::path& folder);
  // Calls wake.notify() at each event, until cancelled or the folder is gone.
  Awaitable<void> run(Notifier& wake);

 private:
  LogWatch(const Executor& executor, int fd) : fd_(executor, fd) {}
  asio::posix::stream_descriptor fd_;
};

}  // namespace keelson::agent
