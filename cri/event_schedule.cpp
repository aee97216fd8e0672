#include "cri/event_schedule.hpp"

#include <algorithm>

namespace keelson::cri {

std::string_view to_string(EventSource source) {
  switch (source) {
    case EventSource::cri:
      return "cri";
    case EventSource::containerd:
      return "containerd";
    case EventSource::relist:
      return "relist";
  }
  return "";
}

void EventSchedule::opened(SteadyTime now) {
  opened_at_ = now;
  next_resync_ = now;
  settled_ = source_ == EventSource::relist;
  relist_interval_ = kRelistBusy;
}

Nanoseconds EventSchedule::backoff() {
  backoff_ = std::clamp(backoff_ * 2, kMinBackoff, kMaxBackoff);
  return backoff_;
}

void EventSchedule::next_source() {
  source_ = source_ == EventSource::cri ? EventSource::containerd : EventSource::relist;
  short_lived_ = 0;
  backoff_ = {};
}

Nanoseconds EventSchedule::ended(std::optional<Errc> error, SteadyTime now) {
  const bool lived = opened_at_ && now - *opened_at_ >= kLived;
  opened_at_.reset();
  next_resync_.reset();
  if (lived) {
    backoff_ = {};
    short_lived_ = 0;
  }
  if (error == Errc::unimplemented) {
    next_source();
    return {};
  }
  if (error == Errc::unavailable) {
    source_ = EventSource::cri;
    short_lived_ = 0;
    return backoff();
  }
  if (++short_lived_ >= kMaxFailures) {
    next_source();
    return {};
  }
  return backoff();
}

Nanoseconds EventSchedule::unreachable() {
  opened_at_.reset();
  next_resync_.reset();
  return backoff();
}

void EventSchedule::restart() {
  opened_at_.reset();
  next_resync_.reset();
  source_ = EventSource::cri;
  short_lived_ = 0;
  backoff_ = {};
}

void EventSchedule::resynced(SteadyTime now) {
  if (!opened_at_) return;
  if (source_ == EventSource::relist) {
    next_resync_ = now + relist_interval_;
    relist_interval_ = std::min(relist_interval_ * 3 / 2, kRelistQuiet);
  } else if (!settled_) {
    settled_ = now - *opened_at_ >= kSettle;
    next_resync_ = settled_ ? now + kSafetyResync : *opened_at_ + kSettle;
  } else {
    next_resync_ = now + kSafetyResync;
  }
}

void EventSchedule::activity(SteadyTime now) {
  if (source_ != EventSource::relist || !opened_at_) return;
  relist_interval_ = kRelistBusy;
  next_resync_ = std::min(*next_resync_, now + kRelistBusy);
}

}  // namespace keelson::cri
