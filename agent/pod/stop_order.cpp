#include "agent/pod/stop_order.hpp"

#include <algorithm>

#include "agent/spec/resources.hpp"

namespace keelson::agent {

std::vector<std::string> ends_before(const kube::PodSpec& spec, const std::string& name) {
  const auto& inits = spec.init_containers;
  const auto it = std::find_if(inits.begin(), inits.end(), [&](const auto& c) { return c.name == name; });
  if (it == inits.end() || !spec::is_sidecar(*it)) return {};
  std::vector<std::string> out;
  for (const auto& c : spec.containers) out.push_back(c.name);
  for (auto later = it + 1; later != inits.end(); ++later) {
    if (spec::is_sidecar(*later)) out.push_back(later->name);
  }
  return out;
}

StopOrder::StopOrder(Executor executor, const kube::PodSpec& spec, std::set<std::string> stopping)
    : executor_(std::move(executor)), running_(std::move(stopping)) {
  for (const auto& name : running_) before_[name] = ends_before(spec, name);
}

bool StopOrder::is_turn(const std::string& name) const {
  const auto& before = before_.at(name);
  return std::none_of(before.begin(), before.end(), [&](const auto& other) { return running_.count(other) > 0; });
}

Awaitable<void> StopOrder::wait_turn(std::string name, SteadyTime deadline) {
  Notifier changed(executor_);
  struct Waiting {
    std::set<Notifier*>& all;
    Notifier* one;
    ~Waiting() { all.erase(one); }
  } waiting{waiting_, &changed};
  waiting_.insert(&changed);
  while (!is_turn(name)) {
    const bool notified = co_await changed.wait_until(deadline);
    if (!notified) co_return;
  }
}

void StopOrder::ended(const std::string& name) {
  running_.erase(name);
  for (auto* other : waiting_) other->notify();
}

}  // namespace keelson::agent
