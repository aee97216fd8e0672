// A few threads for calls that block (mount, fsync, rename): the loop's thread never waits for a disk.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

#include "base/async.hpp"

namespace keelson {

class BlockingPool {
 public:
  explicit BlockingPool(unsigned threads = 2) : pool_(threads) {}
  ~BlockingPool() { pool_.join(); }

  // Runs f() on a pool thread and resumes the caller on its own executor with the value. `f` must own what it uses:
  // a caller that is cancelled goes away while f still runs.
  template <class F>
  Awaitable<std::invoke_result_t<F&>> run(F f) {
    co_return co_await asio::co_spawn(pool_.get_executor(), call(std::move(f)), asio::use_awaitable);
  }

 private:
  template <class F>
  static Awaitable<std::invoke_result_t<F&>> call(F f) {
    co_return f();
  }
  asio::thread_pool pool_;
};

}  // namespace keelson
