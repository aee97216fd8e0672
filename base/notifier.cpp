#include "base/notifier.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace keelson {

void Notifier::notify() {
  pending_ = true;
  timer_.cancel();
}

Awaitable<void> Notifier::wait() { co_await wait_until(std::nullopt); }

Awaitable<bool> Notifier::wait_until(std::optional<SteadyTime> deadline) {
  if (!pending_) {
    timer_.expires_at(deadline.value_or(SteadyTime::max()));
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
      throw boost::system::system_error(asio::error::operation_aborted);
  }
  const bool notified = pending_;
  pending_ = false;
  co_return notified;
}

Awaitable<void> sleep_for(Nanoseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::duration_cast<SteadyTime::duration>(duration));
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace keelson
