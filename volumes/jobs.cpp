#include "volumes/jobs.hpp"

#include <boost/asio/post.hpp>
#include <exception>
#include <mutex>
#include <thread>

#include "base/semaphore.hpp"

namespace keelson::volumes {

struct Jobs::Core {
  Core(const Executor& e, unsigned threads) : executor(e), places(e, threads) {}
  Executor executor;
  Semaphore places;
  unsigned running = 0;
  std::mutex mutex;
  bool closed = false;  // under the mutex: the loop may be gone, nothing is posted to it any more
};

struct Jobs::Call {
  explicit Call(std::shared_ptr<Core> c) : core(std::move(c)), done(core->executor) {}
  std::shared_ptr<Core> core;
  Notifier done;
  Semaphore::Permit permit;
  std::function<void()> body;
  Result<void> result;
};

Jobs::Jobs(Executor executor, BlockingPool& pool, unsigned max_threads)
    : pool_(pool), core_(std::make_shared<Core>(executor, max_threads)) {}

Jobs::~Jobs() {
  const std::lock_guard lock(core_->mutex);
  core_->closed = true;
}

unsigned Jobs::running() const { return core_->running; }

namespace {

Result<void> guarded(const std::function<void()>& body) {
  try {
    body();
    return {};
  } catch (const std::exception& e) {
    return make_error(Errc::internal, e.what());
  }
}

}  // namespace

Awaitable<Result<void>> Jobs::run_on_thread(std::function<void()> body) {
  auto call = std::make_shared<Call>(core_);
  call->permit = co_await core_->places.acquire();
  call->body = std::move(body);
  ++core_->running;
  std::thread([shared = call]() mutable {
    shared->result = guarded(shared->body);
    shared->body = nullptr;
    const auto core = shared->core;
    const std::lock_guard lock(core->mutex);
    if (core->closed) {
      // Its timers belong to a loop that may be gone: never destroyed, the process is ending.
      static_cast<void>(new std::shared_ptr<Call>(std::move(shared)));
      return;
    }
    asio::post(core->executor, [finished = std::move(shared)] {
      --finished->core->running;
      finished->permit.release();
      finished->done.notify();
    });
  }).detach();
  co_await call->done.wait();
  Result<void> result = call->result;
  co_return result;
}

}  // namespace keelson::volumes
