// A wake-up for one waiting coroutine. A notify() before the wait is remembered, several fold into one: what woke us is
// looked up, never carried (level-triggered).
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "base/async.hpp"

namespace keelson {

class Notifier {
 public:
  explicit Notifier(const Executor& executor) : timer_(executor, SteadyTime::max()) {}

  // Wakes the waiter, or the next one to come.
  void notify();
  // Returns after the next notify(). Throws operation_aborted when the task is cancelled.
  Awaitable<void> wait();
  // As wait(), but returns false when `deadline` passed first. No deadline: as wait().
  Awaitable<bool> wait_until(std::optional<SteadyTime> deadline);

 private:
  asio::steady_timer timer_;
  bool pending_ = false;
};

}  // namespace keelson
