// How long the proxy waits between two syncs. Pure.
#pragma once

#include <algorithm>

#include "base/clock.hpp"

namespace keelson::proxy {

// Changes that come one by one are written at once. In a burst syncs take a tenth of the time, and less and less the
// longer it goes on, down to one part in `most`. Nothing ever waits longer than `longest`, upstream's pace, or than the
// sync itself took where that is more.
class SyncPace {
 public:
  SyncPace(Nanoseconds longest, std::int64_t most) : longest_(longest), most_(most) {}

  // The pause after a sync; at least `least`.
  Nanoseconds after(SteadyTime start, SteadyTime end, Nanoseconds least) {
    // Who begins within a pause after the pause was not woken by a change of its own time.
    factor_ = start < end_ + 2 * pause_ ? std::min(factor_ * 3 / 2, most_) : kFirst;
    end_ = end;
    pause_ = std::max(least, std::min(factor_ * (end - start), std::max(longest_, end - start)));
    return pause_;
  }
  // After a sync that failed, which says nothing about what a sync costs.
  void forget() { *this = SyncPace(longest_, most_); }

 private:
  static constexpr std::int64_t kFirst = 10;

  Nanoseconds longest_;
  std::int64_t most_;
  SteadyTime end_{};
  Nanoseconds pause_{};
  std::int64_t factor_ = kFirst;
};

}  // namespace keelson::proxy
