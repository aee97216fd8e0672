#include "agent/eviction/manager.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace keelson::agent {
namespace {

constexpr std::int64_t kImmediate = 1;                   // seconds of grace: hard thresholds and limits
constexpr auto kEndPatience = std::chrono::seconds(30);  // for an evicted pod to be gone before the next look
constexpr auto kPressed = std::chrono::seconds(2);       // between looks while a threshold is met
constexpr auto kFirstLimits = std::chrono::seconds(3);   // after a pod with limits came

Nanoseconds limits_period(double share) {
  if (share >= 0.8) return std::chrono::seconds(5);
  return share >= 0.4 ? std::chrono::seconds(10) : std::chrono::seconds(20);
}

}  // namespace

EvictionManager::EvictionManager(Executor executor, BlockingPool& pool, const Clock& clock,
                                 EvictionManagerOptions options, EvictionSeams seams)
    : executor_(std::move(executor)),
      pool_(pool),
      clock_(clock),
      options_(std::move(options)),
      seams_(std::move(seams)),
      state_(options_.thresholds, options_.transition),
      watch_(executor_, options_.paths.mount, options_.paths.proc),
      wake_(executor_),
      pods_changed_(executor_),
      tasks_(executor_) {}

Awaitable<void> EvictionManager::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

void EvictionManager::pods_changed() {
  pods_stale_ = true;
  pods_changed_.notify();
  if (!limited_) wake_.notify();
}

Awaitable<void> EvictionManager::run() {
  std::function<void()> pressed = [this] {
    observe_due_ = {};
    wake_.notify();
  };
  tasks_.spawn("memory pressure", watch_.run(std::move(pressed)));
  for (;;) {
    if (clock_.steady_now() >= observe_due_) co_await keep_above_thresholds();
    if (std::exchange(pods_stale_, false)) {
      const bool any = seams_.any_limits();
      if (any && !limited_) limits_due_ = clock_.steady_now() + kFirstLimits;
      limited_ = any;
    }
    if (limited_ && clock_.steady_now() >= limits_due_) co_await check_limits();
    co_await wake_.wait_until(next_wake());
  }
}

// Until no threshold calls for anything, or nothing more can be done now.
Awaitable<void> EvictionManager::keep_above_thresholds() {
  for (;;) {
    co_await observe();
    const auto now = clock_.now();
    const auto wanted = state_.step(seen_.observations, now);
    publish();
    observe_due_ = clock_.steady_now() +
                   (wanted.empty() ? next_observation(options_.thresholds, seen_.observations) : Nanoseconds(kPressed));
    if (const auto change = state_.wake_at(now)) {
      const auto in = std::chrono::duration_cast<SteadyTime::duration>(*change - now) + Milliseconds(1);
      observe_due_ = std::min(observe_due_, clock_.steady_now() + in);
    }
    if (wanted.empty()) {
      last_event_.clear();
      co_return;
    }
    const bool relieved = co_await relieve(wanted.front());
    if (!relieved) co_return;
  }
}

Awaitable<void> EvictionManager::observe() {
  auto work = [paths = options_.paths] { return read_signals(paths); };
  seen_ = co_await pool_.run(std::move(work));
  arm();
}

// At which usage, cache included, the memory thresholds would be met.
void EvictionManager::arm() {
  std::map<std::string, std::uint64_t> limits;
  for (const auto& threshold : options_.thresholds) {
    const auto seen = seen_.observations.find(threshold.signal);
    if (!is_memory(threshold.signal) || seen == seen_.observations.end()) continue;
    const bool of_pods = threshold.signal == Signal::allocatable_memory_available;
    const auto left = seen->second.capacity.value() - threshold.value.of(seen->second.capacity).value();
    if (left <= 0) continue;
    const auto limit = static_cast<std::uint64_t>(left) + (of_pods ? seen_.pods_inactive : seen_.inactive_file);
    auto& slot = limits[of_pods ? options_.paths.pods_cgroup : "/"];
    slot = slot == 0 ? limit : std::min(slot, limit);
  }
  watch_.arm(limits);
}

void EvictionManager::publish() {
  auto now = state_.conditions(clock_.now());
  if (now == conditions_) return;
  for (const auto& name : now) {
    if (!conditions_.contains(name)) log_warn("node is under pressure", {{"condition", name}});
  }
  for (const auto& name : conditions_) {
    if (!now.contains(name)) log_info("node is no longer under pressure", {{"condition", name}});
  }
  conditions_ = std::move(now);
  seams_.on_conditions(conditions_);
}

SteadyTime EvictionManager::next_wake() const {
  auto next = options_.thresholds.empty() ? SteadyTime::max() : observe_due_;
  if (limited_) next = std::min(next, limits_due_);
  return next;
}

// True when something was freed or ended, so that it is worth another look at once.
Awaitable<bool> EvictionManager::relieve(const Threshold& threshold) {
  const auto resource = std::string(resource_of(threshold.signal));
  const auto& seen = seen_.observations.at(threshold.signal);
  const bool is_new = std::exchange(last_event_, resource) != resource;
  if (is_new) {
    log_warn("eviction threshold met", {{"signal", std::string(to_string(threshold.signal))},
                                        {"threshold", threshold.value.of(seen.capacity).to_string()},
                                        {"available", seen.available.to_string()}});
  }
  if (is_new) seams_.on_event("Warning", "EvictionThresholdMet", "Attempting to reclaim " + resource);
  if (is_disk(threshold.signal) && is_new) {
    co_await seams_.reclaim_disk(threshold.signal);
    co_await observe();
    if (thresholds_met({threshold}, seen_.observations, true).empty()) co_return true;
  }
  co_return co_await evict_one(threshold);
}

Awaitable<bool> EvictionManager::evict_one(const Threshold& threshold) {
  auto pods = co_await seams_.usage(is_disk(threshold.signal));
  rank_pods(pods, threshold.signal, seen_.one_disk);
  const auto victim = std::find_if(pods.begin(), pods.end(), [](const PodUsage& p) { return !p.critical; });
  if (victim == pods.end()) {
    if (!std::exchange(helpless_, true)) {
      log_warn("no pod can be evicted", {{"signal", std::string(to_string(threshold.signal))}, {"pods", pods.size()}});
    }
    co_return false;
  }
  helpless_ = false;
  const auto message = eviction_message(threshold, seen_.observations.at(threshold.signal), *victim);
  const auto own = victim->pod->spec.termination_grace_period_seconds.value_or(30);
  const auto grace = threshold.grace.count() == 0 ? kImmediate : std::min(options_.max_pod_grace, own);
  const auto uid = victim->pod->metadata.uid;
  seams_.evict(uid, message, grace);
  co_await wait_for_end(uid);
  co_return true;
}

Awaitable<void> EvictionManager::wait_for_end(std::string uid) {
  const auto deadline = clock_.steady_now() + kEndPatience;
  while (seams_.runs(uid)) {
    const bool told = co_await pods_changed_.wait_until(deadline);
    if (!told) co_return;
  }
}

Awaitable<void> EvictionManager::check_limits() {
  const auto begin = clock_.steady_now();
  auto pods = co_await seams_.usage(true);
  double nearest = 0;
  for (const auto& pod : pods) {
    if (pod.critical || !has_storage_limits(*pod.pod)) continue;
    nearest = std::max(nearest, limit_share(pod));
    if (const auto message = exceeded_limit(pod)) seams_.evict(pod.pod->metadata.uid, *message, kImmediate);
  }
  // Trees that take long to measure are measured seldom.
  const auto took = clock_.steady_now() - begin;
  limits_due_ = clock_.steady_now() + std::max<SteadyTime::duration>(limits_period(nearest), took * 20);
}

}  // namespace keelson::agent
