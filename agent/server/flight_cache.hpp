// A bounded cache of answers that are asked for elsewhere: requests for the same key that come while the answer is on
// its way share it, and the asking goes on when who asked first goes away. Lives on the loop's thread.
#pragma once

#include <algorithm>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/task_group.hpp"

namespace keelson::agent {

template <class Value>
class FlightCache {
 public:
  struct Fresh {
    Value value{};
    Nanoseconds keep{};  // how long it may be used again; 0: not at all
  };
  // Must own what it uses.
  using Fetch = std::function<Awaitable<Result<Fresh>>()>;

  // `name`: of the asking, for the log. `clock` must outlive this.
  FlightCache(Executor executor, const Clock& clock, std::string name, std::size_t max_entries = 1024)
      : clock_(clock), name_(std::move(name)), max_entries_(max_entries), tasks_(std::move(executor)) {}

  // The value kept for `key`, or what `fetch` gives; its errors go to everybody who waits and are not kept.
  Awaitable<Result<Value>> get(std::string key, Fetch fetch) {
    if (const auto kept = kept_.find(key); kept != kept_.end() && clock_.steady_now() < kept->second.until) {
      co_return kept->second.value;
    }
    const auto [place, first] = flights_.try_emplace(key);
    if (first) place->second = std::make_shared<Flight>();
    const auto flight = place->second;
    if (first) {
      flight->fetch = std::move(fetch);
      tasks_.spawn(name_, fly(key, flight));  // may land at once, and `place` be gone
    }
    if (!flight->result) {
      const Waiter waiter(*flight, tasks_.executor());
      co_await waiter.wake->wait();
    }
    co_return *flight->result;
  }

  // Forgets what is kept.
  void clear() { kept_.clear(); }

  // Ends what is on its way: who waits gets `cancelled`.
  Awaitable<void> stop() {
    tasks_.cancel();
    co_await tasks_.join();
  }

 private:
  struct Kept {
    Value value;
    SteadyTime until;
  };
  struct Flight {
    Fetch fetch;
    std::list<std::shared_ptr<Notifier>> waiting;
    std::optional<Result<Value>> result;
  };
  struct Waiter {
    Waiter(Flight& f, const Executor& executor)
        : flight(f), wake(std::make_shared<Notifier>(executor)), place(f.waiting.insert(f.waiting.end(), wake)) {}
    ~Waiter() { flight.waiting.erase(place); }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    Flight& flight;
    std::shared_ptr<Notifier> wake;
    typename std::list<std::shared_ptr<Notifier>>::iterator place;
  };
  // However the asking ends, nobody waits for it any longer.
  struct Landing {
    FlightCache& cache;
    const std::string& key;
    Flight& flight;
    ~Landing() {
      cache.flights_.erase(key);
      if (!flight.result) flight.result.emplace(make_error(Errc::cancelled, cache.name_));
      for (const auto& wake : flight.waiting) wake->notify();
    }
  };

  Awaitable<void> fly(std::string key, std::shared_ptr<Flight> flight) {
    const Landing landing{*this, key, *flight};
    auto fresh = co_await flight->fetch();
    if (!fresh) {
      flight->result.emplace(fresh.error());
      co_return;
    }
    if (fresh->keep > Nanoseconds(0)) keep(key, *fresh);
    flight->result.emplace(std::move(fresh->value));
  }

  void keep(const std::string& key, const Fresh& fresh) {
    const auto now = clock_.steady_now();
    if (kept_.size() >= max_entries_) std::erase_if(kept_, [&](const auto& e) { return e.second.until <= now; });
    if (kept_.size() >= max_entries_) {
      kept_.erase(std::min_element(kept_.begin(), kept_.end(),
                                   [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
    }
    const auto until = now + std::chrono::duration_cast<SteadyTime::duration>(fresh.keep);
    kept_.insert_or_assign(key, Kept{fresh.value, until});
  }

  const Clock& clock_;
  std::string name_;
  std::size_t max_entries_;
  std::map<std::string, Kept> kept_;
  std::map<std::string, std::shared_ptr<Flight>> flights_;
  TaskGroup tasks_;
};

}  // namespace keelson::agent
