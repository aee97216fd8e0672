#include "cni/locks.hpp"

namespace keelson::cni {

struct SharedLock::Waiter {
  Waiter(SharedLock& lock, bool wants_all)
      : owner(lock),
        exclusive(wants_all),
        wake(lock.executor_),
        place(lock.waiters_.insert(lock.waiters_.end(), this)) {}
  ~Waiter() {
    if (!granted) {
      owner.waiters_.erase(place);
    } else if (!taken) {
      owner.unlock(exclusive);  // cancelled between the grant and our resumption
    }
  }
  SharedLock& owner;
  bool exclusive;
  Notifier wake;
  std::list<Waiter*>::iterator place;
  bool granted = false;
  bool taken = false;
};

void SharedLock::enter(bool exclusive) {
  if (exclusive) {
    held_ = true;
  } else {
    ++sharers_;
  }
}

void SharedLock::unlock(bool exclusive) {
  if (exclusive) {
    held_ = false;
  } else {
    --sharers_;
  }
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    Waiter* waiter = *it;
    if (!can_enter(waiter->exclusive)) {
      ++it;
      continue;
    }
    it = waiters_.erase(it);
    enter(waiter->exclusive);
    waiter->granted = true;
    waiter->wake.notify();
  }
}

Awaitable<bool> SharedLock::wait_for(bool exclusive, std::optional<SteadyTime> deadline) {
  if (can_enter(exclusive)) {
    enter(exclusive);
    co_return true;
  }
  Waiter waiter(*this, exclusive);
  while (!waiter.granted) {
    const bool notified = co_await waiter.wake.wait_until(deadline);
    if (!notified && !waiter.granted) co_return false;
  }
  waiter.taken = true;
  co_return true;
}

Awaitable<SharedLock::Guard> SharedLock::shared() {
  co_await wait_for(false, std::nullopt);
  co_return Guard(this, false);
}

Awaitable<SharedLock::Guard> SharedLock::exclusive() {
  co_await wait_for(true, std::nullopt);
  co_return Guard(this, true);
}

Awaitable<std::optional<SharedLock::Guard>> SharedLock::exclusive_until(SteadyTime deadline) {
  const bool entered = co_await wait_for(true, deadline);
  if (!entered) co_return std::nullopt;
  co_return Guard(this, true);
}

}  // namespace keelson::cni
