// Tells that something in a folder changed (inotify): created, written, renamed or removed entries. Only that, not
// what: the reader lists the folder again.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <filesystem>

#include "base/async.hpp"

namespace keelson {

class DirWatcher {
 public:
  // Watches `path` itself, not its sub-folders. Fails when it is not a folder that can be read.
  static Result<DirWatcher> open(const Executor& executor, const std::filesystem::path& path);

  // Returns after the next change; changes within `settle` after it are folded in. An error means the watch is gone
  // (the folder was removed or unmounted): open again when it is back.
  Awaitable<Result<void>> changed(Milliseconds settle = Milliseconds(20));

 private:
  DirWatcher(const Executor& executor, int fd) : fd_(executor, fd) {}
  asio::posix::stream_descriptor fd_;
};

}  // namespace keelson
