// What was asked of the runtime, for metrics: how often, how it went, and how long it took.
#pragma once

#include <array>
#include <map>
#include <string_view>

#include "base/histogram.hpp"

namespace keelson::cri {

// 5 ms, times 2.5 each. (kl/metrics/metrics.go RuntimeOperationsDuration)
inline constexpr auto kOperationBounds = [] {
  std::array<double, 14> out{};
  double bound = .005;
  for (auto& item : out) {
    item = bound;
    bound *= 2.5;
  }
  return out;
}();

struct OperationStats {
  std::uint64_t failed = 0;
  Histogram seconds{kOperationBounds};  // its count is that of all
};

// By the client's method, "create_container".
using Operations = std::map<std::string_view, OperationStats>;

}  // namespace keelson::cri
