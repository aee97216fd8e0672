#include "base/semaphore.hpp"

#include <utility>

namespace keelson {

struct Semaphore::Waiter {
  explicit Waiter(Semaphore& s) : owner(s), wake(s.executor_), place(s.waiters_.insert(s.waiters_.end(), this)) {}
  ~Waiter() {
    if (!granted) {
      owner.waiters_.erase(place);
    } else if (!taken) {
      owner.release_one();  // cancelled between the grant and our resumption
    }
  }
  Semaphore& owner;
  Notifier wake;
  std::list<Waiter*>::iterator place;
  bool granted = false;
  bool taken = false;
};

Semaphore::Permit& Semaphore::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    release();
    owner_ = std::exchange(other.owner_, nullptr);
  }
  return *this;
}

void Semaphore::Permit::release() {
  if (auto* owner = std::exchange(owner_, nullptr)) owner->release_one();
}

Awaitable<Semaphore::Permit> Semaphore::acquire() {
  if (free_ > 0 && waiters_.empty()) {
    --free_;
    co_return Permit(this);
  }
  Waiter waiter(*this);
  while (!waiter.granted) co_await waiter.wake.wait();
  waiter.taken = true;
  co_return Permit(this);
}

void Semaphore::release_one() {
  if (waiters_.empty()) {
    ++free_;
    return;
  }
  Waiter* next = waiters_.front();
  waiters_.pop_front();
  next->granted = true;
  next->wake.notify();
}

}  // namespace keelson
