#include "kube/time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace keelson::kube {
namespace {

// Takes exactly `digits` digits off the front of `text`.
bool take_number(std::string_view& text, std::size_t digits, int& out) {
  if (text.size() < digits) return false;
  auto [end, ec] = std::from_chars(text.data(), text.data() + digits, out);
  if (ec != std::errc() || end != text.data() + digits || text[0] == '-') return false;
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// A fraction without its dot, in nanoseconds; digits beyond the ninth are dropped.
bool take_fraction(std::string_view& text, std::int64_t& nanos) {
  std::int64_t unit = 100'000'000;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits, unit /= 10) {
    nanos += (text[digits] - '0') * unit;
  }
  text.remove_prefix(digits);
  return digits > 0;
}

// "Z" or "+hh:mm": seconds east of UTC.
bool take_offset(std::string_view& text, int& seconds) {
  if (take(text, "Zz")) return true;
  if (text.empty()) return false;
  int sign = text[0] == '-' ? -1 : 1;
  int hours = 0;
  int minutes = 0;
  if (!take(text, "+-") || !take_number(text, 2, hours) || !take(text, ":") || !take_number(text, 2, minutes)) {
    return false;
  }
  seconds = sign * (hours * 3600 + minutes * 60);
  return hours < 24 && minutes < 60;
}

bool parse(std::string_view text, Time& out) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset = 0;
  std::int64_t nanos = 0;
  if (!take_number(text, 4, year) || !take(text, "-") || !take_number(text, 2, month) || !take(text, "-") ||
      !take_number(text, 2, day) || !take(text, "Tt") || !take_number(text, 2, hour) || !take(text, ":") ||
      !take_number(text, 2, minute) || !take(text, ":") || !take_number(text, 2, second)) {
    return false;
  }
  if (take(text, ".") && !take_fraction(text, nanos)) return false;
  if (!take_offset(text, offset) || !text.empty()) return false;
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return false;
  // Nanoseconds in 64 bits reach from 1678 to 2262.
  if (year < 1678 || year > 2261) return false;
  out = Time(std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(hour) + std::chrono::minutes(minute) +
             Seconds(second - offset) + Nanoseconds(nanos));
  return true;
}

// The time to the second, and the nanoseconds that are left.
std::string format_seconds(Time time, std::int64_t& nanos) {
  auto seconds = std::chrono::floor<Seconds>(time);
  nanos = (time - seconds).count();
  std::time_t t = seconds.time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&t, &tm);
  char buffer[32];
  return {buffer, std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &tm)};
}

std::string with_digits(std::string text, std::int64_t value, std::size_t digits) {
  std::string number = std::to_string(value);
  return text + '.' + std::string(digits - number.size(), '0') + number + 'Z';
}

}  // namespace

Result<Time> parse_time(std::string_view text) {
  Time time;
  if (parse(text, time)) return time;
  return make_error(Errc::invalid_argument,
                    "expected a time such as 2024-05-01T10:00:00Z, got \"" + std::string(text) + '"');
}

std::string format_time(Time time) {
  std::int64_t nanos = 0;
  return format_seconds(time, nanos) + 'Z';
}

std::string format_micro_time(Time time) {
  std::int64_t nanos = 0;
  std::string text = format_seconds(time, nanos);
  return with_digits(std::move(text), nanos / 1000, 6);
}

Result<Nanoseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 6> kUnits = {
      {{"h", 3600e9}, {"m", 60e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}}};
  const auto bad = [&] {
    return make_error(Errc::invalid_argument, "\"" + std::string(text) + "\" is no duration such as \"30s\"");
  };
  if (text.empty()) return bad();
  if (text == "0") return Nanoseconds(0);
  double total = 0;
  for (auto rest = text; !rest.empty();) {
    double value = 0;
    const auto [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), value, std::chars_format::fixed);
    if (failed != std::errc() || value < 0) return bad();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const auto name = rest.substr(0, rest.find_first_of("0123456789."));
    const auto* unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& u) { return u.first == name; });
    if (unit == kUnits.end()) return bad();
    total += value * unit->second;
    rest.remove_prefix(name.size());
  }
  if (total >= static_cast<double>(Nanoseconds::max().count())) return bad();
  return Nanoseconds(static_cast<std::int64_t>(total));
}

std::string format_nano_time(Time time) {
  std::int64_t nanos = 0;
  std::string text = format_seconds(time, nanos);
  return with_digits(std::move(text), nanos, 9);
}

}  // namespace keelson::kube
