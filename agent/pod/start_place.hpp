// A pod's place among those that start at the same time. It is given up when the start takes long: a runtime call,
// plugin or hook that hangs must not hold up the pods that wait for a place.
#pragma once

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>

#include "base/semaphore.hpp"

namespace keelson::agent {

// How long sandboxes take on this node just now, and so what is long. On a machine that is busy everything is slow, and
// letting in still more pods would make it slower; what hangs never ends, and so does not count here.
class StartPace {
 public:
  void took(Nanoseconds time) { typical_ = typical_.count() == 0 ? time : (7 * typical_ + time) / 8; }
  [[nodiscard]] Nanoseconds patience() const {
    if (typical_.count() == 0) return Seconds(4);
    return std::clamp<Nanoseconds>(8 * typical_, Seconds(2), Seconds(60));
  }

 private:
  Nanoseconds typical_{};
};

class StartPlace {
 public:
  // Keeps the place until release(), or for `patience`.
  void keep(Semaphore::Permit permit, const Executor& executor, Nanoseconds patience) {
    permit_ = std::make_shared<Semaphore::Permit>(std::move(permit));
    timer_.emplace(executor, std::chrono::duration_cast<SteadyTime::duration>(patience));
    // The handler may run after this is gone, so it does not know it.
    timer_->async_wait([place = std::weak_ptr(permit_)](const boost::system::error_code& error) {
      const auto permit = place.lock();
      if (!error && permit) permit->release();
    });
  }
  void release() {
    timer_.reset();
    permit_.reset();
  }

 private:
  std::shared_ptr<Semaphore::Permit> permit_;
  std::optional<boost::asio::steady_timer> timer_;
};

}  // namespace keelson::agent
