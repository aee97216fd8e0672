// Something that becomes true once, and the coroutines that wait for it. Lives on the loop's thread.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>

#include "base/async.hpp"

namespace keelson {

class Latch {
 public:
  explicit Latch(Executor executor) : executor_(std::move(executor)) {}

  void open() {
    open_ = true;
    for (auto* waiter : waiters_) waiter->cancel();
  }
  [[nodiscard]] bool is_open() const { return open_; }

  // False when `patience` ended first. Throws operation_aborted when the task is cancelled.
  Awaitable<bool> wait_for(Nanoseconds patience) {
    if (open_) co_return true;
    asio::steady_timer timer(executor_, patience);
    const auto place = waiters_.insert(waiters_.end(), &timer);
    const Leave leave{waiters_, place};
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
      throw boost::system::system_error(asio::error::operation_aborted);
    co_return open_;
  }

 private:
  using Waiters = std::list<asio::steady_timer*>;
  struct Leave {
    Waiters& waiters;
    Waiters::iterator place;
    ~Leave() { waiters.erase(place); }
  };

  Executor executor_;
  Waiters waiters_;
  bool open_ = false;
};

}  // namespace keelson
