#include "agent/housekeeping/log_rotator.hpp"

#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "agent/housekeeping/log_files.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {
namespace {

namespace fs = std::filesystem;

constexpr auto kFirstLook = Milliseconds(100);      // after a quiet log is written to
constexpr auto kGather = Milliseconds(200);         // between two refreshes of the list of containers
constexpr auto kRetry = std::chrono::seconds(10);   // after a rotation that failed
constexpr auto kSettle = std::chrono::seconds(10);  // a rotated file's age before it is compressed
constexpr Milliseconds kReopenTimeout = std::chrono::seconds(30);

std::optional<std::int64_t> size_of(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return info.st_size;
}

// Linux keeps a priority per thread.
void lower_own_priority() { static_cast<void>(::setpriority(PRIO_PROCESS, 0, 19)); }

}  // namespace

struct LogRotator::Log {
  fs::path path;
  std::int64_t size = 0;
  SteadyTime looked{};
  std::optional<SteadyTime> due;  // none: quiet, its watch tells
  int watch = -1;
  bool rotating = false;
};

LogRotator::LogRotator(Executor executor, BlockingPool& pool, cri::RuntimeService& runtime, const Clock& clock,
                       LogPolicy policy, std::function<std::vector<LogTarget>()> targets)
    : executor_(std::move(executor)),
      pool_(pool),
      runtime_(runtime),
      clock_(clock),
      policy_(policy),
      targets_(std::move(targets)),
      inotify_(executor_),
      wake_(executor_),
      stopping_(std::make_shared<std::atomic<bool>>(false)),
      tasks_(executor_) {
  UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (fd) {
    inotify_.assign(fd.release());
  } else {
    log_warn("container logs are looked at all the time", {{"error", errno_error(errno, "inotify")}});
  }
}

LogRotator::~LogRotator() { *stopping_ = true; }

void LogRotator::changed() {
  if (!std::exchange(stale_, true)) wake_.notify();
}

Awaitable<void> LogRotator::stop() {
  *stopping_ = true;
  tasks_.cancel();
  co_await tasks_.join();
}

Awaitable<void> LogRotator::run() {
  if (inotify_.is_open()) tasks_.spawn("log events", read_events());
  for (;;) {
    const auto now = clock_.steady_now();
    if (stale_ && now >= refreshed_ + kGather) refresh();
    for (auto& [id, log] : logs_) {
      if (log.due && *log.due <= now && !log.rotating) look(log);
      if (log.size < policy_.max_size || log.rotating || (log.due && *log.due > now)) continue;
      log.rotating = true;
      tasks_.spawn("rotate the log of " + id, rotate(id));
    }
    co_await wake_.wait_until(next_deadline());
  }
}

std::optional<SteadyTime> LogRotator::next_deadline() const {
  std::optional<SteadyTime> next;
  if (stale_) next = refreshed_ + kGather;
  for (const auto& [id, log] : logs_) {
    if (log.due && !log.rotating && (!next || *log.due < *next)) next = log.due;
  }
  return next;
}

void LogRotator::refresh() {
  stale_ = false;
  refreshed_ = clock_.steady_now();
  std::map<std::string, fs::path> now;
  for (auto& target : targets_()) now.emplace(std::move(target.container_id), std::move(target.path));
  for (auto it = logs_.begin(); it != logs_.end();) {
    if (now.contains(it->first) || it->second.rotating) {
      ++it;
      continue;
    }
    if (it->second.watch >= 0) {
      by_watch_.erase(it->second.watch);
      ::inotify_rm_watch(inotify_.native_handle(), it->second.watch);
    }
    it = logs_.erase(it);
  }
  for (auto& [id, path] : now) {
    const auto [it, is_new] = logs_.try_emplace(id);
    if (!is_new) continue;
    it->second.path = std::move(path);
    it->second.size = size_of(it->second.path).value_or(0);
    it->second.looked = refreshed_;
    it->second.due = refreshed_;
  }
}

// One stat; sets when to look again. A log that is over its size is left due: run() rotates it.
void LogRotator::look(Log& log) {
  const auto now = clock_.steady_now();
  const auto size = size_of(log.path);
  if (!size) {
    // Gone, perhaps by another's hand: the runtime writes into a nameless file until it opens a new one.
    log.size = policy_.max_size;
    return;
  }
  const auto grown = std::max<std::int64_t>(*size - log.size, 0);
  const auto elapsed = now - log.looked;
  log.size = *size;
  log.looked = now;
  if (*size >= policy_.max_size) return;
  if (grown == 0) {
    arm(log);
  } else {
    log.due = now + next_look(*size, grown, elapsed, policy_);
  }
}

void LogRotator::arm(Log& log) {
  log.due = clock_.steady_now() + policy_.monitor;
  if (!inotify_.is_open()) return;
  const int watch = ::inotify_add_watch(inotify_.native_handle(), log.path.c_str(), IN_MODIFY | IN_ONESHOT);
  if (watch < 0) return;
  const auto id = std::find_if(logs_.begin(), logs_.end(), [&](const auto& entry) { return &entry.second == &log; });
  log.watch = watch;
  by_watch_[watch] = id->first;
  // What was written just before the watch stood would not fire it.
  if (size_of(log.path).value_or(0) == log.size) log.due.reset();
}

Awaitable<void> LogRotator::read_events() {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  for (;;) {
    const auto [ec, n] = co_await inotify_.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (ec) co_return;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += sizeof(inotify_event) + event->len;
      const auto it = by_watch_.find(event->wd);
      if (it == by_watch_.end()) continue;
      if (const auto log = logs_.find(it->second); log != logs_.end()) {
        log->second.watch = -1;
        log->second.due = clock_.steady_now() + kFirstLook;
        log->second.looked = clock_.steady_now();
        wake_.notify();
      }
      by_watch_.erase(it);
    }
  }
}

Awaitable<void> LogRotator::rotate(std::string id) {
  const auto path = logs_.at(id).path;
  auto work = [path, files = policy_.max_files, now = clock_.now()] { return rotate_files(path, files, now, kSettle); };
  const auto files = co_await pool_.run(std::move(work));
  // No log at all: a new one is what is wanted, too.
  std::optional<Error> failure;
  if (files || files.error().code == Errc::not_found) {
    cri::v1::ReopenContainerLogRequest request;
    request.set_container_id(id);
    const auto reopened = co_await runtime_.reopen_container_log(std::move(request), kReopenTimeout);
    if (!reopened) {
      failure = reopened.error();
      if (files) {
        auto undo = [path, rotated = files->rotated] { return undo_rotation(path, rotated); };
        const auto undone = co_await pool_.run(std::move(undo));
        if (!undone) log_warn("rotated log not renamed back", {{"log", path.string()}, {"error", undone.error()}});
      }
    }
  } else {
    failure = files.error();
  }
  const auto now = clock_.steady_now();
  auto& log = logs_.at(id);
  log.rotating = false;
  log.looked = now;
  log.size = 0;
  log.due = now + next_look(0, 1, Seconds(1), policy_);
  if (failure) {
    // Often the container has just ended, and the next list will not have it.
    log_debug("container log not rotated", {{"container", id}, {"log", path.string()}, {"error", *failure}});
    log.due = now + kRetry;
  } else {
    log.due = now + kFirstLook;
    if (files && !files->compress.empty()) tasks_.spawn("compress logs of " + id, compress(files->compress));
  }
  stale_ = true;
  wake_.notify();
}

Awaitable<void> LogRotator::compress(std::vector<fs::path> files) {
  for (const auto& file : files) {
    auto work = [file, stopping = stopping_] {
      lower_own_priority();
      return compress_file(file, *stopping);
    };
    const auto done = co_await compressor_.run(std::move(work));
    if (!done) log_warn("rotated log not compressed", {{"log", file.string()}, {"error", done.error()}});
  }
}

}  // namespace keelson::agent
