// A few threads for calls that block (mount, fsync, rename): the loop's thread never waits for a disk.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/async.hpp"
#include "base/notifier.hpp"

namespace keelson {

class BlockingPool {
 public:
  explicit BlockingPool(unsigned threads = 2) : pool_(threads) {}
  ~BlockingPool() { pool_.join(); }

  // Runs f() on a pool thread and resumes the caller on its own executor with the value; what f throws is thrown there.
  // `f` must own what it uses: a caller that is cancelled goes away while f still runs.
  template <class F>
  Awaitable<std::invoke_result_t<F&>> run(F f) {
    const Executor executor = co_await asio::this_coro::executor;
    auto job = std::make_shared<Job<F>>(executor, std::move(f));
    asio::post(pool_, [job, executor]() mutable {
      job->perform();
      // The reference goes along: the job is destroyed on the loop's thread, never here. Cancellation cannot reach it
      // either, as it would through a coroutine on the pool, whose state is not for two threads.
      asio::post(executor, [job = std::move(job)] { job->done.notify(); });
    });
    co_await job->done.wait();
    if (job->failed) std::rethrow_exception(job->failed);
    if constexpr (!std::is_void_v<std::invoke_result_t<F&>>) co_return std::move(*job->value);
  }

 private:
  template <class F>
  struct Job {
    using Value = std::conditional_t<std::is_void_v<std::invoke_result_t<F&>>, bool, std::invoke_result_t<F&>>;
    Job(const Executor& executor, F f) : function(std::move(f)), done(executor) {}
    void perform() {
      try {
        if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
          function();
        } else {
          value.emplace(function());
        }
      } catch (...) {
        failed = std::current_exception();
      }
    }
    F function;
    std::optional<Value> value;
    std::exception_ptr failed;
    Notifier done;  // pool -> the caller
  };
  asio::thread_pool pool_;
};

}  // namespace keelson
