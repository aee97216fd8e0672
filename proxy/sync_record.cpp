#include "proxy/sync_record.hpp"

#include <algorithm>

namespace keelson::proxy {
namespace {

constexpr std::size_t kMostTriggers = 10000;  // while rules cannot be written: the rest tells no more

std::vector<double> make_programming_bounds() {
  std::vector<double> out = {0.25, 0.5};
  for (int s = 1; s < 60; ++s) out.push_back(s);
  for (int s = 60; s < 120; s += 5) out.push_back(s);
  for (int s = 120; s <= 300; s += 30) out.push_back(s);
  return out;
}

double seconds(Nanoseconds d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

std::span<const double> sync_bounds() {
  static constexpr double kBounds[] = {0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128,
                                       0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384};
  return kBounds;
}

std::span<const double> programming_bounds() {
  static const std::vector<double> bounds = make_programming_bounds();
  return bounds;
}

void SyncRecord::slice_changed(std::optional<SystemTime> trigger) {
  count(slices_);
  if (trigger && *trigger > start_ && triggers_.size() < kMostTriggers) triggers_.push_back(*trigger);
}

void SyncRecord::queued(SteadyTime now, SystemTime time) {
  if (!queued_since_) queued_since_ = now;
  last_queued_ = time;
}

void SyncRecord::begin(const std::vector<Family>& families) {
  for (const Family family : families) {
    FamilyRecord& f = families_[index_of(family)];
    if (!f.taken_since) f.taken_since = queued_since_;
    if (f.taken_triggers.size() < kMostTriggers) {
      f.taken_triggers.insert(f.taken_triggers.end(), triggers_.begin(), triggers_.end());
    }
  }
  queued_since_.reset();
  triggers_.clear();
  services_.pending = slices_.pending = 0;
}

void SyncRecord::ended(Family family, bool full, Nanoseconds took, bool succeeded, SystemTime time) {
  FamilyRecord& f = families_[index_of(family)];
  f.syncs.observe(seconds(took));
  (full ? f.full_syncs : f.partial_syncs).observe(seconds(took));
  if (!succeeded) {
    ++(full ? f.full_failures : f.partial_failures);
    return;
  }
  f.last_sync = time;
  f.taken_since.reset();
  for (const SystemTime trigger : f.taken_triggers) f.programming.observe(std::max(0.0, seconds(time - trigger)));
  f.taken_triggers.clear();
}

Nanoseconds SyncRecord::waiting(Family family, SteadyTime now) const {
  const FamilyRecord& f = families_[index_of(family)];
  const auto since = f.taken_since ? f.taken_since : queued_since_;
  return since ? Nanoseconds(now - *since) : Nanoseconds(0);
}

}  // namespace keelson::proxy
