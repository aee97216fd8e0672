// How long a list+watch waits after a failure: client-go's reflector (tools/cache, NewExponentialBackoffManager with
// 0.8 s, 30 s, reset after 2 min, factor 2, jitter 1), with the jitter inside the 30 s. Pure.
#pragma once

#include <algorithm>

#include "base/chrono.hpp"

namespace keelson::kube {

struct WatchBackoffPolicy {
  Nanoseconds initial = Milliseconds(800);
  Nanoseconds max = Seconds(30);
  Nanoseconds reset_after = Seconds(120);  // without a failure
};

class WatchBackoff {
 public:
  explicit WatchBackoff(WatchBackoffPolicy policy) : policy_(policy), base_(policy.initial) {}

  // The delay after a failure at `now`; `jitter` is in [0, 1).
  Nanoseconds next(SteadyTime now, double jitter) {
    if (now - last_ > policy_.reset_after) base_ = policy_.initial;
    last_ = now;
    const Nanoseconds base = base_;
    base_ = std::min(base_ * 2, policy_.max / 2);
    return base + std::chrono::duration_cast<Nanoseconds>(base * jitter);
  }

 private:
  WatchBackoffPolicy policy_;
  Nanoseconds base_;
  SteadyTime last_{};
};

}  // namespace keelson::kube
