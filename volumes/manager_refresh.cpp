// The part of VolumeManager that knows when content grows old by itself.
#include <algorithm>
#include <utility>

#include "volumes/manager.hpp"
#include "volumes/manager_state.hpp"

namespace keelson::volumes {
namespace {

// When to say it again if nobody refreshed the volume, or could not.
constexpr Nanoseconds kSayAgain = std::chrono::minutes(1);
// Times are of the wall clock, which may jump, and the timer's clock stands still while the machine sleeps.
constexpr Nanoseconds kLongestWait = std::chrono::minutes(10);

}  // namespace

void VolumeManager::set_refresh_time(PodState& state, const std::string& volume, const std::optional<SystemTime>& at) {
  if (!at) {
    state.refresh_at.erase(volume);
    return;
  }
  state.refresh_at[volume] = *at;
  if (!watching_) {
    watching_ = true;
    tasks_.spawn("refresh times of volumes", watch_refresh_times());
  }
  refresh_times_changed_.notify();
}

std::optional<SystemTime> VolumeManager::next_refresh() const {
  std::optional<SystemTime> next;
  for (const auto& [uid, state] : pods_) {
    for (const auto& [name, at] : state->refresh_at) next = std::min(next.value_or(at), at);
  }
  return next;
}

void VolumeManager::report_due() {
  const SystemTime now = context_->clock.now();
  std::vector<std::string> due;
  for (const auto& [uid, state] : pods_) {
    bool any = false;
    for (auto& [name, at] : state->refresh_at) {
      if (at > now) continue;
      any = true;
      at = now + kSayAgain;
    }
    if (any) due.push_back(uid);
  }
  for (const std::string& uid : due) {
    if (refresh_due_) refresh_due_(uid);
  }
}

Awaitable<void> VolumeManager::watch_refresh_times() {
  while (true) {
    report_due();
    const auto next = next_refresh();
    std::optional<SteadyTime> deadline;
    if (next) deadline = deadline_after(std::clamp(*next - context_->clock.now(), Nanoseconds(0), kLongestWait));
    co_await refresh_times_changed_.wait_until(deadline);
  }
}

}  // namespace keelson::volumes
