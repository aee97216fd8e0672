// How long the proxy waits between two syncs. Pure.
#pragma once

#include <algorithm>

#include "base/clock.hpp"

namespace keelson::proxy {

// Changes that come one by one are written at once. In a burst syncs take a tenth of the time, and less and less down
// to a fiftieth the longer it goes on: what is written together costs little more than one of it. Nothing ever waits
// longer than `longest`, upstream's pace, or than the sync itself took where that is more.
class SyncPace {
 public:
  explicit SyncPace(Nanoseconds longest) : longest_(longest) {}

  // The pause after a sync; at least `least`.
  Nanoseconds after(SteadyTime start, SteadyTime end, Nanoseconds least) {
    // Who begins within a pause after the pause was not woken by a change of its own time.
    factor_ = start < end_ + 2 * pause_ ? std::min(factor_ * 3 / 2, kMost) : kFirst;
    end_ = end;
    pause_ = std::max(least, std::min(factor_ * (end - start), std::max(longest_, end - start)));
    return pause_;
  }
  // After a sync that failed, which says nothing about what a sync costs.
  void forget() { *this = SyncPace(longest_); }

 private:
  static constexpr std::int64_t kFirst = 10, kMost = 50;

  Nanoseconds longest_;
  SteadyTime end_{};
  Nanoseconds pause_{};
  std::int64_t factor_ = kFirst;
};

}  // namespace keelson::proxy
