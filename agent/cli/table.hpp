// Text tables and durations as kubectl prints them.
#pragma once

#include <string>
#include <vector>

#include "base/chrono.hpp"

namespace keelson::agent {

// Columns are padded to the widest cell seen so far, three spaces apart; the last is not padded. Rows may be printed in
// several batches (a watch): widths only grow.
class Table {
 public:
  using Row = std::vector<std::string>;
  explicit Table(Row header) : header_(std::move(header)) {}

  void add(Row row) { rows_.push_back(std::move(row)); }
  // The text of what was added since the last take(), the header before the first.
  [[nodiscard]] std::string take();
  [[nodiscard]] bool empty() const { return rows_.empty(); }

 private:
  Row header_;
  std::vector<Row> rows_;
  std::vector<std::size_t> widths_;
  bool header_done_ = false;
};

// "45s", "3m20s", "5h12m", "3d", as k8s.io/apimachinery's duration.HumanDuration.
[[nodiscard]] std::string human_duration(Nanoseconds duration);
// "3.1 ms", "1.25 s": how long a step took.
[[nodiscard]] std::string step_duration(double seconds);

}  // namespace keelson::agent
