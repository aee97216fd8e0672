// Writes the Prometheus text format, version 0.0.4.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/chrono.hpp"
#include "base/histogram.hpp"

namespace keelson::stats {

inline constexpr std::string_view kMetricText = "text/plain; version=0.0.4; charset=utf-8";

// name="value",... with the value escaped; for rows that many metrics share.
[[nodiscard]] std::string label_text(std::initializer_list<std::pair<std::string_view, std::string_view>> labels);

class MetricText {
 public:
  // The heading of what follows.
  void family(std::string_view name, std::string_view type, std::string_view help);
  // A sample of the family; `labels` as label_text() makes them. `suffix`: of a histogram's rows.
  void sample(double value, std::string_view labels = {}, std::optional<SystemTime> time = std::nullopt,
              std::string_view suffix = {});
  // The rows of one histogram of the family: _bucket, _sum, _count.
  void histogram(const Histogram& values, std::string_view labels = {});
  // A family of one sample.
  void single(std::string_view name, std::string_view type, std::string_view help, double value);

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::string name_;
};

}  // namespace keelson::stats
