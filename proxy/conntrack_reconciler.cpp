#include "proxy/conntrack_reconciler.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace keelson::proxy {
namespace {

// A look takes at most a tenth of the time.
constexpr Nanoseconds kLeastPause = Milliseconds(10);
constexpr int kPauseFactor = 10;
constexpr Nanoseconds kFirstRetry = Seconds(1);
constexpr Nanoseconds kLongestRetry = Seconds(30);

}  // namespace

void ConntrackReconciler::written(const Model& model, Family family, std::vector<std::string> keys, bool all,
                                  const std::vector<IpAddress>& node_ips) {
  if (all) {
    for (const auto& [key, entry] : model.services()) keys.emplace_back(key);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  FamilyState& state = families_[index_of(family)];
  state.tracker.update(model, family, keys, state.pending);
  if (state.pending.empty()) return;
  state.status.pending = true;
  state.pending.set_node_ips(node_ips);
  wake_.notify();
}

std::optional<SteadyTime> ConntrackReconciler::next_look() const {
  std::optional<SteadyTime> next;
  for (const FamilyState& state : families_) {
    if (!state.pending.empty()) next = next ? std::min(*next, state.not_before) : state.not_before;
  }
  return next;
}

Awaitable<void> ConntrackReconciler::run() {
  for (;;) {
    const SteadyTime now = clock_.steady_now();
    const auto next = next_look();
    if (!next) {
      co_await wake_.wait();
    } else if (*next > now) {
      // The clock may be a test's: only the distance is taken from it.
      const SteadyTime deadline = std::chrono::steady_clock::now() + (*next - now);
      co_await wake_.wait_until(deadline);
    } else {
      for (const Family family : kFamilies) {
        const FamilyState& state = families_[index_of(family)];
        const bool due = !state.pending.empty() && state.not_before <= now;
        if (due) co_await look(family);
      }
    }
  }
}

Awaitable<void> ConntrackReconciler::look(Family family) {
  FamilyState& state = families_[index_of(family)];
  StaleFlows wanted = std::exchange(state.pending, {});
  StaleFlows passed = wanted;
  const SteadyTime start = clock_.steady_now();
  const auto removed = co_await cleaner_.remove_stale(family, std::move(passed));
  const SteadyTime end = clock_.steady_now();
  ConntrackStatus& status = state.status;
  ++status.looks;
  status.last_duration = end - start;
  state.not_before = end + std::max<Nanoseconds>(kLeastPause, kPauseFactor * (end - start));
  if (!removed) {
    ++status.failures;
    status.last_error = removed.error().message;
    state.retry_delay = std::clamp<Nanoseconds>(state.retry_delay * 2, kFirstRetry, kLongestRetry);
    state.not_before = end + state.retry_delay;
    state.pending.add_older(std::move(wanted));  // what a sync has said meanwhile is newer
    log_warn("stale flows may remain", {{"family", to_string(family)}, {"error", removed.error()}});
    co_return;
  }
  status.last_error.clear();
  status.pending = !state.pending.empty();
  state.retry_delay = {};
  status.removed += *removed;
  if (*removed > 0) log_info("removed stale flows", {{"family", to_string(family)}, {"count", *removed}});
}

}  // namespace keelson::proxy
