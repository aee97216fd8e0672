// A lock for coroutines of one thread: many sharers or one exclusive holder, served in order of arrival, except that a
// waiting exclusive holder does not hold up sharers (GC waits for a quiet moment; pods never wait for GC to get its
// turn).
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "base/notifier.hpp"

namespace keelson::cni {

class SharedLock {
 public:
  // A held place; given back on destruction.
  class Guard {
   public:
    Guard() = default;
    Guard(SharedLock* owner, bool exclusive) : owner_(owner), exclusive_(exclusive) {}
    Guard(Guard&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), exclusive_(other.exclusive_) {}
    Guard& operator=(Guard&& other) noexcept {
      if (this != &other) {
        release();
        owner_ = std::exchange(other.owner_, nullptr);
        exclusive_ = other.exclusive_;
      }
      return *this;
    }
    ~Guard() { release(); }
    void release() {
      if (auto* owner = std::exchange(owner_, nullptr)) owner->unlock(exclusive_);
    }

   private:
    SharedLock* owner_ = nullptr;
    bool exclusive_ = false;
  };

  explicit SharedLock(Executor executor) : executor_(std::move(executor)) {}

  // Wait for a place. Throw operation_aborted when the task is cancelled meanwhile.
  Awaitable<Guard> shared();
  Awaitable<Guard> exclusive();
  // Nothing when the lock was not free until `deadline`.
  Awaitable<std::optional<Guard>> exclusive_until(SteadyTime deadline);

 private:
  struct Waiter;
  [[nodiscard]] bool can_enter(bool exclusive) const { return exclusive ? !held_ && sharers_ == 0 : !held_; }
  void enter(bool exclusive);
  void unlock(bool exclusive);
  Awaitable<bool> wait_for(bool exclusive, std::optional<SteadyTime> deadline);

  Executor executor_;
  std::list<Waiter*> waiters_;
  std::size_t sharers_ = 0;
  bool held_ = false;
};

}  // namespace keelson::cni
