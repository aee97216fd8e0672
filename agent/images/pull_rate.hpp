// How often new pulls may begin: a token bucket. Pure.
#pragma once

#include <algorithm>

#include "base/chrono.hpp"

namespace keelson::agent {

class PullRate {
 public:
  // `qps` pulls a second after the first `burst`; 0: no bound.
  PullRate(double qps, unsigned burst) : qps_(qps), burst_(burst), tokens_(burst) {}

  // Takes a place for one pull; how long to wait before it begins. (Upstream fails the pull with "pull QPS exceeded",
  // which then backs off for 10 s and more.)
  [[nodiscard]] Nanoseconds take(SteadyTime now) {
    if (qps_ <= 0) return Nanoseconds(0);
    const std::chrono::duration<double> passed = now - last_;
    if (last_ != SteadyTime{}) tokens_ = std::min<double>(burst_, tokens_ + passed.count() * qps_);
    last_ = now;
    tokens_ -= 1;
    if (tokens_ >= 0) return Nanoseconds(0);
    return Nanoseconds(static_cast<std::int64_t>(-tokens_ / qps_ * 1e9));
  }

 private:
  double qps_;
  unsigned burst_;
  double tokens_;
  SteadyTime last_{};
};

}  // namespace keelson::agent
