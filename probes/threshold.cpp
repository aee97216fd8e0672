#include "probes/threshold.hpp"

#include <algorithm>

#include "kube/probe.hpp"

namespace keelson::probes {
namespace {

constexpr Nanoseconds kNetworkEarlyStep = Milliseconds(50);
constexpr Nanoseconds kCostlyEarlyStep = Seconds(1);  // a process or a channel for each look
constexpr Nanoseconds kQuietTime = Seconds(1);
constexpr Nanoseconds kHurryDistance = Seconds(1);

// Each a multiple of the finer ones, so that probes of different periods meet.
constexpr Milliseconds kGrids[] = {Milliseconds(500), Milliseconds(250), Milliseconds(50)};

Nanoseconds grid_of(Nanoseconds period) {
  for (const auto grid : kGrids) {
    if (grid * 20 <= period) return grid;
  }
  return Nanoseconds(0);
}

SteadyTime nearest(SteadyTime at, Nanoseconds grid) {
  const Nanoseconds since = at.time_since_epoch() + grid / 2;
  return SteadyTime(std::chrono::duration_cast<SteadyTime::duration>(since - since % grid));
}

SteadyTime plus(SteadyTime at, Nanoseconds by) { return at + std::chrono::duration_cast<SteadyTime::duration>(by); }

}  // namespace

std::string_view title(ProbeType type) {
  switch (type) {
    case ProbeType::liveness:
      return "Liveness";
    case ProbeType::readiness:
      return "Readiness";
    case ProbeType::startup:
      return "Startup";
  }
  return "";
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::success:
      return "success";
    case Verdict::failure:
      return "failure";
    case Verdict::unknown:
      break;
  }
  return "unknown";
}

Timing timing_of(const kube::Probe& probe) {
  Timing timing;
  timing.initial_delay = Seconds(std::max(probe.initial_delay_seconds, 0));
  if (probe.timeout_seconds > 0) timing.timeout = Seconds(probe.timeout_seconds);
  if (probe.period_seconds > 0) timing.period = Seconds(probe.period_seconds);
  if (probe.success_threshold > 0) timing.success_threshold = probe.success_threshold;
  if (probe.failure_threshold > 0) timing.failure_threshold = probe.failure_threshold;
  const bool cheap = probe.http_get || probe.tcp_socket;
  timing.early_step = cheap ? kNetworkEarlyStep : kCostlyEarlyStep;
  if (cheap) timing.grid = grid_of(timing.period);
  return timing;
}

void Threshold::begin(const Timing& timing, SteadyTime started, SteadyTime now) {
  *this = Threshold(type_);
  const SteadyTime delayed = plus(started, timing.initial_delay);
  if (type_ == ProbeType::liveness) {
    // Nothing is gained by asking a container that has just started whether it still lives.
    verdict_ = Verdict::success;
    due_ = timing.initial_delay.count() > 0 ? std::max(delayed, now) : plus(std::max(started, now), timing.period);
    return;
  }
  verdict_ = type_ == ProbeType::readiness ? Verdict::failure : Verdict::unknown;
  due_ = first_at_ = std::max(delayed, now);
  early_ = timing.early_step;
}

void Threshold::adopt(const Timing& timing, Verdict kept, SteadyTime started, SteadyTime due) {
  *this = Threshold(type_);
  verdict_ = kept;
  const bool decided = type_ == ProbeType::startup && kept != Verdict::unknown;
  if (!decided) due_ = std::max(plus(started, timing.initial_delay), due);
}

void Threshold::halt(Verdict verdict) {
  *this = Threshold(type_);
  verdict_ = verdict;
}

Threshold::Step Threshold::record(const Timing& timing, OutcomeKind outcome, SteadyTime now) {
  Step step;
  const bool success = outcome == OutcomeKind::success || outcome == OutcomeKind::warning;
  if (early_.count() > 0 && !success) {
    const SteadyTime regular = plus(first_at_, timing.period);
    step.quiet = now < plus(first_at_, std::min(kQuietTime, timing.period));
    due_ = plus(now, early_);
    early_ *= 2;
    if (due_ >= regular) {
      due_ = std::max(regular, now);
      early_ = Nanoseconds(0);
    }
    return step;
  }
  early_ = Nanoseconds(0);
  due_ = next_due(timing, now);
  if (outcome == OutcomeKind::error) return step;

  const Verdict result = success ? Verdict::success : Verdict::failure;
  run_ = result == last_ ? run_ + 1 : 1;
  last_ = result;
  if (run_ < (success ? timing.success_threshold : timing.failure_threshold)) return step;
  step.changed = verdict_ != result;
  verdict_ = result;
  if (type_ == ProbeType::startup || (type_ == ProbeType::liveness && !success)) due_ = SteadyTime::max();
  return step;
}

// A run that took longer than the period is followed by the next one at once, as with Go's ticker.
SteadyTime Threshold::next_due(const Timing& timing, SteadyTime now) const {
  SteadyTime due = plus(attempt_at_, timing.period);
  if (timing.grid.count() > 0 && verdict_ == Verdict::success) due = nearest(due, timing.grid);
  return std::max(due, now);
}

void Threshold::hurry(SteadyTime now) {
  if (due_ == SteadyTime::max() || due_ <= now) return;
  if (attempt_at_ == SteadyTime::min() || now < plus(attempt_at_, kHurryDistance)) return;
  due_ = now;
}

}  // namespace keelson::probes
