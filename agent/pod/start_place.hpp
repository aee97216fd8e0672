// A pod's place among those that start at the same time. It is given up when the start takes long: a runtime call,
// plugin or hook that hangs must not hold up the pods that wait for a place.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>

#include "base/semaphore.hpp"

namespace keelson::agent {

// A start that takes longer works little: it waits for somebody. Several times what a start needs on a busy node.
inline constexpr Seconds kStartPatience{2};

class StartPlace {
 public:
  // Keeps the place until release(), or for kStartPatience.
  void keep(Semaphore::Permit permit, const Executor& executor) {
    permit_ = std::make_shared<Semaphore::Permit>(std::move(permit));
    timer_.emplace(executor, kStartPatience);
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
