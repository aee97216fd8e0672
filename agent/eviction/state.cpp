#include "agent/eviction/state.hpp"

#include <algorithm>
#include <tuple>

namespace keelson::agent {

std::vector<Threshold> EvictionState::step(const Observations& observations, SystemTime now) {
  auto met = thresholds_met(thresholds_, observations, false);
  for (const auto& threshold : thresholds_met(met_, observations, true)) {
    if (std::find(met.begin(), met.end(), threshold) == met.end()) met.push_back(threshold);
  }
  std::vector<SystemTime> since;
  for (const auto& threshold : met) {
    const auto before = std::find(met_.begin(), met_.end(), threshold);
    since.push_back(before == met_.end() ? now : since_[static_cast<std::size_t>(before - met_.begin())]);
    last_seen_.insert_or_assign(std::string(condition_of(threshold.signal)), now);
  }
  met_ = std::move(met);
  since_ = std::move(since);

  std::vector<Threshold> out;
  for (std::size_t i = 0; i < met_.size(); ++i) {
    if (now - since_[i] >= met_[i].grace) out.push_back(met_[i]);
  }
  std::stable_sort(out.begin(), out.end(), [](const Threshold& a, const Threshold& b) {
    return std::make_tuple(!is_memory(a.signal), a.grace.count() > 0) <
           std::make_tuple(!is_memory(b.signal), b.grace.count() > 0);
  });
  return out;
}

std::set<std::string> EvictionState::conditions(SystemTime now) const {
  std::set<std::string> out;
  for (const auto& [condition, seen] : last_seen_) {
    if (now - seen < transition_ || std::any_of(met_.begin(), met_.end(), [&, &name = condition](const auto& t) {
          return condition_of(t.signal) == name;
        })) {
      out.insert(condition);
    }
  }
  return out;
}

std::optional<SystemTime> EvictionState::wake_at(SystemTime now) const {
  std::optional<SystemTime> out;
  const auto consider = [&](SystemTime time) {
    if (time > now && (!out || time < *out)) out = time;
  };
  for (std::size_t i = 0; i < met_.size(); ++i) consider(since_[i] + met_[i].grace);
  for (const auto& [condition, seen] : last_seen_) consider(seen + transition_);
  return out;
}

}  // namespace keelson::agent
