// Keeps the logs of running containers within containerLogMaxSize and containerLogMaxFiles.
//
// Nothing is looked at while nothing is written: a quiet log has an inotify watch that fires once, at the next write.
// From then on its size is read with one stat(2) at intervals that follow how fast it grows, until it is quiet again.
// A log's files take at most maxFiles * maxSize, and what the container writes in about one policy.monitor more.
// After upstream's pkg/kubelet/logs/container_log_manager.go, which lists every container and its log each 10 s.
// Lives on the loop's thread; renames run on the pool, compression on a thread of its own with the lowest priority.
#pragma once

#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/housekeeping/log_plan.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/task_group.hpp"
#include "cri/runtime_service.hpp"

namespace keelson::agent {

// A running container and its log.
struct LogTarget {
  std::string container_id;
  std::filesystem::path path;
  bool operator==(const LogTarget&) const = default;
};

class LogRotator {
 public:
  // `targets`: the containers that run now. Called some time after changed().
  LogRotator(Executor executor, BlockingPool& pool, cri::RuntimeService& runtime, const Clock& clock, LogPolicy policy,
             std::function<std::vector<LogTarget>()> targets);
  ~LogRotator();

  // Runs until cancelled. Errors (no inotify): logs are then looked at every policy.monitor.
  Awaitable<void> run();
  // Ends what run() left behind; to be called after run() was cancelled.
  Awaitable<void> stop();
  // Containers came or went.
  void changed();

 private:
  struct Log;
  void refresh();
  void look(Log& log);
  void arm(Log& log);
  [[nodiscard]] std::optional<SteadyTime> next_deadline() const;
  Awaitable<void> read_events();
  Awaitable<void> rotate(std::string id);
  Awaitable<void> compress(std::vector<std::filesystem::path> files);

  Executor executor_;
  BlockingPool& pool_;
  cri::RuntimeService& runtime_;
  const Clock& clock_;
  LogPolicy policy_;
  std::function<std::vector<LogTarget>()> targets_;
  asio::posix::stream_descriptor inotify_;  // closed: not to be had
  std::map<std::string, Log> logs_;         // by container ID
  std::map<int, std::string> by_watch_;     // armed ones
  bool stale_ = true;
  SteadyTime refreshed_{};
  Notifier wake_;
  std::shared_ptr<std::atomic<bool>> stopping_;  // -> the compressor's thread
  BlockingPool compressor_{1};
  TaskGroup tasks_;
};

}  // namespace keelson::agent
