#include "agent/daemon/main_task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"

namespace keelson::agent {

bool run_main(asio::io_context& loop, Awaitable<void> main, std::string_view who) {
  bool good = true;
  asio::co_spawn(loop, std::move(main), [&](const std::exception_ptr& error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const std::exception& e) {
      log_error(std::string(who) + " failed", {{"error", e.what()}});
      good = false;
    }
    loop.stop();
  });
  loop.run();
  return good;
}

Awaitable<bool> start_until_signal(asio::signal_set& signals, Awaitable<Result<void>> start,
                                   std::string_view farewell) {
  using boost::asio::experimental::awaitable_operators::operator||;
  auto started = co_await (std::move(start) || signals.async_wait(asio::use_awaitable));
  if (started.index() != 0) co_return true;
  if (!std::get<0>(started)) {
    log_error("start failed", {{"error", std::get<0>(started).error()}});
    co_return false;
  }
  const int signal = co_await signals.async_wait(asio::use_awaitable);
  log_info(farewell, {{"signal", signal}});
  co_return true;
}

}  // namespace keelson::agent
