// Bounds how many coroutines do one kind of thing at a time; waiters are served in order.
#pragma once

#include <list>
#include <memory>

#include "base/notifier.hpp"

namespace keelson {

class Semaphore {
 public:
  // A held place; given back on destruction.
  class Permit {
   public:
    Permit() = default;
    explicit Permit(Semaphore* owner) : owner_(owner) {}
    Permit(Permit&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), lease_(std::move(other.lease_)) {}
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { release(); }
    void release();
    // Gives the place back by itself once `patience` has passed, however long its holder goes on: what hangs then keeps
    // nobody else waiting.
    void release_after(Nanoseconds patience);

   private:
    struct Lease;
    Semaphore* owner_ = nullptr;    // at most one of the two is set
    std::shared_ptr<Lease> lease_;  // the place, where it ends by itself
  };

  Semaphore(Executor executor, unsigned places) : executor_(std::move(executor)), free_(places) {}
  // Waits for a place. Throws operation_aborted when the task is cancelled while it waits.
  Awaitable<Permit> acquire();
  [[nodiscard]] std::size_t waiting() const { return waiters_.size(); }

 private:
  void release_one();
  struct Waiter;
  Executor executor_;
  unsigned free_;
  std::list<Waiter*> waiters_;
};

}  // namespace keelson
