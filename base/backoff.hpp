// Exponential backoff as pure values, after client-go's util/flowcontrol Backoff: the delay doubles with each failure
// up to a maximum, and is forgotten after a quiet time.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/async.hpp"

namespace keelson {

struct BackoffPolicy {
  Nanoseconds initial = std::chrono::seconds(10);
  Nanoseconds max = std::chrono::seconds(300);
  Nanoseconds reset_after = std::chrono::seconds(600);  // counted from the last failure
};

struct BackoffState {
  Nanoseconds delay{};
  SystemTime last_update{};
};

// The state after one more failure at `now`. `event` is when what failed began to fail (a container's finishedAt): a
// previous state older than the policy's reset_after at that moment is forgotten. None: `now`.
[[nodiscard]] BackoffState next_backoff(const std::optional<BackoffState>& previous, const BackoffPolicy& policy,
                                        SystemTime now, std::optional<SystemTime> event = std::nullopt);

// Until when a try is barred, counted from `event`; nothing when it may be made at `now`.
[[nodiscard]] std::optional<SystemTime> blocked_until(const std::optional<BackoffState>& state,
                                                      const BackoffPolicy& policy, SystemTime event, SystemTime now);

// Backoff by key, for the few places that count failures of many things.
class BackoffTable {
 public:
  explicit BackoffTable(BackoffPolicy policy) : policy_(policy) {}

  // Records a failure at `now` and returns the delay that follows it.
  Nanoseconds fail(const std::string& key, SystemTime now);
  // When the key may be tried again, or nothing when it may be now; the delay counts from the last failure.
  [[nodiscard]] std::optional<SystemTime> blocked_until(const std::string& key, SystemTime now) const;
  void reset(const std::string& key) { states_.erase(key); }
  // Forgets keys that have been quiet for the policy's reset_after.
  void collect(SystemTime now);

 private:
  BackoffPolicy policy_;
  std::map<std::string, BackoffState> states_;
};

}  // namespace keelson
