// Ends pods before the node runs out of something, and pods that exceed their own limits of local storage. One
// coroutine: it observes, asks the pure parts (state, rank) what follows, reclaims what the node itself can give, and
// else evicts one pod, then observes again. Far from every threshold it observes once a minute; the kernel tells of
// memory that runs short meanwhile. After upstream's pkg/kubelet/eviction/eviction_manager.go. Lives on the loop's
// thread.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "agent/eviction/node_signals.hpp"
#include "agent/eviction/pressure_watch.hpp"
#include "agent/eviction/rank.hpp"
#include "agent/eviction/state.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/task_group.hpp"

namespace keelson::agent {

struct EvictionSeams {
  // The pods that are not over, with what they use. `disk`: files are measured, too.
  std::function<Awaitable<std::vector<PodUsage>>(bool disk)> usage;
  // Those of them that have limits of local storage: without asking anything.
  std::function<bool()> any_limits;
  // Ends the pod: Failed, Evicted. `grace` seconds.
  std::function<void(const std::string& uid, const std::string& message, std::int64_t grace)> evict;
  // Whether anything of the pod still runs.
  std::function<bool(const std::string& uid)> runs;
  // Frees what the node can do without: dead containers, unused images.
  std::function<Awaitable<void>(Signal)> reclaim_disk;
  // MemoryPressure, DiskPressure, PIDPressure: those that hold now.
  std::function<void(const std::set<std::string>&)> on_conditions;
  std::function<void(const std::string& type, const std::string& reason, const std::string& message)> on_event;
};

struct EvictionManagerOptions {
  std::vector<Threshold> thresholds;
  Nanoseconds transition = std::chrono::minutes(5);
  std::int64_t max_pod_grace = 0;  // seconds, of soft evictions
  SignalPaths paths;
};

class EvictionManager {
 public:
  EvictionManager(Executor executor, BlockingPool& pool, const Clock& clock, EvictionManagerOptions options,
                  EvictionSeams seams);

  Awaitable<void> run();
  // Ends what run() left behind; to be called after run() was cancelled.
  Awaitable<void> stop();
  // Pods came, went or changed.
  void pods_changed();
  // Where images lie, once the runtime has told.
  void set_imagefs(std::filesystem::path path) { options_.paths.imagefs = std::move(path); }

  [[nodiscard]] std::set<std::string> conditions() const { return conditions_; }

 private:
  Awaitable<void> keep_above_thresholds();
  Awaitable<void> observe();
  Awaitable<bool> relieve(const Threshold& threshold);
  Awaitable<bool> evict_one(const Threshold& threshold);
  Awaitable<void> check_limits();
  Awaitable<void> wait_for_end(std::string uid);
  void arm();
  void publish();
  [[nodiscard]] SteadyTime next_wake() const;

  Executor executor_;
  BlockingPool& pool_;
  const Clock& clock_;
  EvictionManagerOptions options_;
  EvictionSeams seams_;
  EvictionState state_;
  PressureWatch watch_;
  NodeSignals seen_;
  std::set<std::string> conditions_;
  SteadyTime observe_due_{}, limits_due_{};
  bool limited_ = false;  // some pod has limits
  bool pods_stale_ = true;
  bool helpless_ = false;   // no pod could be evicted at the last try
  std::string last_event_;  // of the threshold that is being dealt with
  Notifier wake_;
  Notifier pods_changed_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
