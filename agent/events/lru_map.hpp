// A map of bounded size that forgets what was not used for longest.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace keelson::agent {

template <class Value>
class LruMap {
 public:
  explicit LruMap(std::size_t limit) : limit_(limit) {}

  // The value of `key`, made if need be, and now the one used last. Valid until the next call.
  Value& operator[](const std::string& key) {
    if (const auto found = index_.find(key); found != index_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return found->second->second;
    }
    if (index_.size() == limit_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    order_.emplace_front(key, Value{});
    index_[key] = order_.begin();
    return order_.front().second;
  }
  [[nodiscard]] std::size_t size() const { return index_.size(); }

 private:
  using Order = std::list<std::pair<std::string, Value>>;
  std::size_t limit_;
  Order order_;  // the one used last first
  std::unordered_map<std::string, typename Order::iterator> index_;
};

}  // namespace keelson::agent
