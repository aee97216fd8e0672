// How long sandboxes take on this node just now, and so how long is too long for one of them.
#pragma once

#include <algorithm>

#include "base/clock.hpp"

namespace keelson::agent {

// A start that takes too long waits for something (a plugin, a disk) that others need not wait for, and no longer counts
// among those that happen at the same time. How long that is depends on the machine: on a busy one everything is slow,
// and letting in still more pods would make it slower.
class StartPace {
 public:
  // A sandbox was there after `time`. One that never comes does not count.
  void took(Nanoseconds time) { typical_ = typical_.count() == 0 ? time : (7 * typical_ + time) / 8; }

  // After this time a start gives up its place: eight times what is usual, between 2 s and 60 s; 4 s where nothing is
  // known yet.
  [[nodiscard]] Nanoseconds patience() const {
    if (typical_.count() == 0) return Seconds(4);
    return std::clamp<Nanoseconds>(8 * typical_, Seconds(2), Seconds(60));
  }

 private:
  Nanoseconds typical_{};
};

}  // namespace keelson::agent
