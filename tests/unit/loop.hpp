// Runs coroutines of a test on an io_context of its own, the test's servers beside them.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <exception>
#include <functional>
#include <optional>

#include "base/async.hpp"

namespace keelson::testing {

class Loop {
 public:
  [[nodiscard]] Executor executor() { return io_.get_executor(); }

  // Runs the loop until `task` is done and returns what it gave. Other tasks run on meanwhile.
  template <class T>
  T run(Awaitable<T> task) {
    std::optional<T> out;
    std::exception_ptr failure;
    asio::co_spawn(io_, std::move(task), [&](std::exception_ptr error, T value) {
      failure = error;
      out = std::move(value);
    });
    pump_until([&] { return out.has_value(); });
    if (failure) std::rethrow_exception(failure);
    return std::move(*out);
  }

  // Runs the loop until `done` says so; fails the test when that takes longer than 20 s.
  void pump_until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      if (io_.stopped()) io_.restart();
      io_.run_one_for(std::chrono::milliseconds(5));
      if (std::chrono::steady_clock::now() > limit) FAIL("nothing more happened");
    }
  }

  // Runs the loop for `time`: for what must not happen.
  void pump_for(Milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    pump_until([&] { return std::chrono::steady_clock::now() >= until; });
  }

 private:
  asio::io_context io_;
};

}  // namespace keelson::testing
