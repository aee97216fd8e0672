#include "agent/server/log_file.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <boost/asio/as_tuple.hpp>

#include "agent/server/log_format.hpp"

namespace keelson::agent {
namespace {

constexpr std::size_t kChunk = 64 * 1024;

struct Opened {
  UniqueFd fd;
  std::int64_t offset = 0;
};

Result<std::string> read_at(int fd, std::int64_t offset, std::size_t size) {
  std::string out(size, '\0');
  const auto n = ::pread(fd, out.data(), out.size(), offset);
  if (n < 0) return errno_error(errno, "read the log");
  out.resize(static_cast<std::size_t>(n));
  return out;
}

Result<std::int64_t> tail_offset(int fd, std::int64_t size, std::int64_t lines) {
  std::int64_t found = 0;
  for (std::int64_t end = size; end > 0;) {
    const auto begin = std::max<std::int64_t>(0, end - static_cast<std::int64_t>(kChunk));
    TRY(const auto block, read_at(fd, begin, static_cast<std::size_t>(end - begin)));
    if (const auto at = find_tail(block, end == size, lines, found)) return begin + static_cast<std::int64_t>(*at);
    end = begin;
  }
  return std::int64_t{0};
}

Result<Opened> open_log(const std::filesystem::path& path, std::optional<std::int64_t> tail_lines) {
  Opened out{UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), 0};
  if (!out.fd) return errno_error(errno, "open " + path.string());
  struct stat info {};
  if (::fstat(out.fd.get(), &info) != 0) return errno_error(errno, "stat " + path.string());
  if (!S_ISREG(info.st_mode)) return make_error(Errc::failed_precondition, path.string() + ": not a regular file");
  if (tail_lines) {
    TRY(out.offset, tail_offset(out.fd.get(), info.st_size, *tail_lines));
  }
  return out;
}

// The file that the path names now, where it is not the one of `fd`.
Result<UniqueFd> open_other(const std::filesystem::path& path, int fd) {
  struct stat ours {
  }, theirs{};
  if (::stat(path.c_str(), &theirs) != 0) return UniqueFd();  // between a rotation's two steps
  if (::fstat(fd, &ours) != 0) return errno_error(errno, "stat " + path.string());
  if (ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev) return UniqueFd();
  TRY(auto opened, open_log(path, std::nullopt));
  return std::move(opened.fd);
}

}  // namespace

Awaitable<Result<LogFile>> LogFile::open(BlockingPool& pool, std::filesystem::path path,
                                         std::optional<std::int64_t> tail_lines) {
  // The pool's values need a default constructor and a copy: what has none travels behind a pointer.
  auto work = [path, tail_lines]() -> Result<std::shared_ptr<Opened>> {
    TRY(auto opened, open_log(path, tail_lines));
    return std::make_shared<Opened>(std::move(opened));
  };
  CO_TRY(auto opened, co_await pool.run(std::move(work)));
  co_return LogFile(pool, std::move(path), std::move(opened->fd), opened->offset);
}

Awaitable<Result<std::string>> LogFile::read() {
  auto work = [fd = fd_, offset = offset_] { return read_at(fd->get(), offset, kChunk); };
  auto bytes = co_await pool_->run(std::move(work));
  if (bytes) offset_ += static_cast<std::int64_t>(bytes->size());
  co_return bytes;
}

Awaitable<Result<bool>> LogFile::follow_rotation() {
  auto work = [fd = fd_, path = path_]() -> Result<std::shared_ptr<UniqueFd>> {
    TRY(auto other, open_other(path, fd->get()));
    return std::make_shared<UniqueFd>(std::move(other));
  };
  CO_TRY(auto other, co_await pool_->run(std::move(work)));
  if (!*other) co_return false;
  fd_ = std::move(other);
  offset_ = 0;
  co_return true;
}

Result<LogWatch> LogWatch::open(const Executor& executor, const std::filesystem::path& folder) {
  UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return errno_error(errno, "inotify");
  constexpr std::uint32_t kMask = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR;
  if (::inotify_add_watch(fd.get(), folder.c_str(), kMask) < 0) return errno_error(errno, "watch " + folder.string());
  return LogWatch(executor, fd.release());
}

Awaitable<void> LogWatch::run(Notifier& wake) {
  // Only that something happened counts, so the events are read away unlooked-at.
  std::vector<char> events(4096);
  for (;;) {
    const auto [ec, n] = co_await fd_.async_read_some(asio::buffer(events), asio::as_tuple(asio::use_awaitable));
    if (ec) co_return;
    wake.notify();
  }
}

}  // namespace keelson::agent
