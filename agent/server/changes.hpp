// Hands one stream of "something changed" to any number of waiting requests.
//   ServerData::on_change -> ChangeHub -> Subscription (latest wins) -> watch and follow handlers
#pragma once

#include <list>

#include "base/notifier.hpp"

namespace keelson::agent {

class ChangeHub {
 public:
  class Subscription {
   public:
    Subscription(ChangeHub& hub, const Executor& executor)
        : hub_(hub), wake_(executor), place_(hub.waiting_.insert(hub.waiting_.end(), &wake_)) {}
    ~Subscription() { hub_.waiting_.erase(place_); }
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    [[nodiscard]] Notifier& wake() { return wake_; }

   private:
    ChangeHub& hub_;
    Notifier wake_;
    std::list<Notifier*>::iterator place_;
  };

  void notify() {
    for (auto* waiting : waiting_) waiting->notify();
  }

 private:
  std::list<Notifier*> waiting_;
};

}  // namespace keelson::agent
