// How often a value fell into which range, for Prometheus' histograms. Costs an increment per value, and memory only
// once there was one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace keelson {

class Histogram {
 public:
  // `bounds`: the upper bounds, inclusive, ascending; they must outlive this (a constexpr array).
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds) {}

  void observe(double value) {
    if (counts_.empty()) counts_.resize(bounds_.size() + 1);
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    ++counts_[static_cast<std::size_t>(at)];
    ++count_;
    sum_ += value;
  }

  [[nodiscard]] std::span<const double> bounds() const { return bounds_; }
  // By range, one more than bounds: the last is of what was above all. Empty before the first value.
  [[nodiscard]] const std::vector<std::uint64_t>& counts() const { return counts_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

// Prometheus' own default bounds, seconds.
inline constexpr double kDefaultBounds[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};

}  // namespace keelson
