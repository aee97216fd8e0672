#include "base/backoff.hpp"

#include <algorithm>

namespace keelson {
namespace {

constexpr Seconds kClockSlack{1};

}  // namespace

BackoffState next_backoff(const std::optional<BackoffState>& previous, const BackoffPolicy& policy, SystemTime now,
                          std::optional<SystemTime> event) {
  if (!previous || event.value_or(now) - previous->last_update > policy.reset_after) return {policy.initial, now};
  return {std::min(previous->delay * 2, policy.max), now};
}

std::optional<SystemTime> blocked_until(const std::optional<BackoffState>& state, const BackoffPolicy& policy,
                                        SystemTime event, SystemTime now) {
  if (!state || event - state->last_update > policy.reset_after) return std::nullopt;
  // An event of the future: the clock was set back since. Who knows how long ago it was; it is over.
  if (event > now + kClockSlack) return std::nullopt;
  const SystemTime until = event + state->delay;
  return until > now ? std::optional(until) : std::nullopt;
}

Nanoseconds BackoffTable::fail(const std::string& key, SystemTime now) {
  const auto it = states_.find(key);
  const auto next = next_backoff(it == states_.end() ? std::nullopt : std::optional(it->second), policy_, now);
  states_[key] = next;
  return next.delay;
}

std::optional<SystemTime> BackoffTable::blocked_until(const std::string& key, SystemTime now) const {
  const auto it = states_.find(key);
  if (it == states_.end()) return std::nullopt;
  return keelson::blocked_until(it->second, policy_, it->second.last_update, now);
}

void BackoffTable::collect(SystemTime now) {
  std::erase_if(states_, [&](const auto& entry) { return now - entry.second.last_update > policy_.reset_after; });
}

}  // namespace keelson
