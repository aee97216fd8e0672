#include "agent/cli/table.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace keelson::agent {

std::string Table::take() {
  std::vector<Row> out_rows;
  if (!header_done_) out_rows.push_back(header_);
  header_done_ = true;
  for (auto& row : rows_) out_rows.push_back(std::move(row));
  rows_.clear();
  for (const auto& row : out_rows) {
    widths_.resize(std::max(widths_.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], row[i].size());
  }
  std::string out;
  for (const auto& row : out_rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths_[i] - row[i].size() + 3, ' ');
    }
    out += '\n';
  }
  return out;
}

namespace {

std::string two_units(std::int64_t high, char high_unit, std::int64_t low, char low_unit) {
  std::string out = std::to_string(high) + high_unit;
  if (low != 0) out += std::to_string(low) + low_unit;
  return out;
}

}  // namespace

std::string human_duration(Nanoseconds duration) {
  const std::int64_t seconds = std::chrono::duration_cast<Seconds>(duration).count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  const std::int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
  if (seconds < 120) return std::to_string(seconds) + "s";
  if (minutes < 10) return two_units(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return std::to_string(minutes) + "m";
  if (hours < 8) return two_units(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return std::to_string(hours) + "h";
  if (hours < 192) return two_units(days, 'd', hours % 24, 'h');
  if (days < 365 * 2) return std::to_string(days) + "d";
  if (days < 365 * 8) return two_units(days / 365, 'y', days % 365, 'd');
  return std::to_string(days / 365) + "y";
}

std::string step_duration(double seconds) {
  char text[32];
  if (seconds < 1) {
    std::snprintf(text, sizeof text, "%.1f ms", seconds * 1000);
  } else {
    std::snprintf(text, sizeof text, "%.2f s", seconds);
  }
  return text;
}

}  // namespace keelson::agent
