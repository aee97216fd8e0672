#include "base/semaphore.hpp"

#include <boost/asio/steady_timer.hpp>
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

struct Semaphore::Permit::Lease {
  explicit Lease(Semaphore* o) : owner(o), timer(o->executor_) {}
  void give_back() {
    if (auto* given = std::exchange(owner, nullptr)) given->release_one();
  }
  Semaphore* owner;
  asio::steady_timer timer;
};

Semaphore::Permit& Semaphore::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    release();
    owner_ = std::exchange(other.owner_, nullptr);
    lease_ = std::move(other.lease_);
  }
  return *this;
}

void Semaphore::Permit::release() {
  if (auto* owner = std::exchange(owner_, nullptr)) owner->release_one();
  if (const auto lease = std::move(lease_)) lease->give_back();
}

void Semaphore::Permit::release_after(Nanoseconds patience) {
  if (owner_ == nullptr) return;
  lease_ = std::make_shared<Lease>(std::exchange(owner_, nullptr));
  lease_->timer.expires_after(std::chrono::duration_cast<SteadyTime::duration>(patience));
  lease_->timer.async_wait([lease = std::weak_ptr(lease_)](const boost::system::error_code& ec) {
    if (const auto held = lease.lock(); held && !ec) held->give_back();
  });
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
