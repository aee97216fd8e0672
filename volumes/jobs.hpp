// Where volume code blocks. Two lanes: `bounded` work touches only the agent's own disk or memory and a small amount of
// it, and shares the BlockingPool with everyone; `unbounded` work may hang (somebody else's mount) or take long (a tree
// with a million files), and gets a thread of its own, so that it holds up nothing but its own pod.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/blocking_pool.hpp"

namespace keelson::volumes {

enum class Lane { bounded, unbounded };

class Jobs {
 public:
  // At most `max_threads` unbounded jobs run at a time; more wait in order.
  Jobs(Executor executor, BlockingPool& pool, unsigned max_threads = 32);
  ~Jobs();
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // Runs `work` off the loop and returns what it returns. `work` must own all it uses: when the caller is cancelled, or
  // this object destroyed, an unbounded job runs on by itself and its value is dropped.
  template <class T>
  Awaitable<Result<T>> run(Lane lane, std::function<Result<T>()> work) {
    if (lane == Lane::bounded) {
      Result<T> result = co_await pool_.run(std::move(work));
      co_return result;
    }
    auto slot = std::make_shared<std::optional<Result<T>>>();
    std::function<void()> body = [slot, work = std::move(work)] { slot->emplace(work()); };
    Result<void> ran = co_await run_on_thread(std::move(body));
    if (!ran) co_return ran.error();
    co_return std::move(**slot);
  }

  // Unbounded jobs that run now.
  [[nodiscard]] unsigned running() const;

 private:
  struct Core;
  struct Call;
  Awaitable<Result<void>> run_on_thread(std::function<void()> body);

  BlockingPool& pool_;
  std::shared_ptr<Core> core_;
};

}  // namespace keelson::volumes
