#include "probes/outcome.hpp"

#include <fmt/format.h>

#include <cctype>
#include <chrono>

namespace keelson::probes {
namespace {

// 1500 of a unit of 1000 -> "1.5".
std::string decimal(std::int64_t value, std::int64_t unit) {
  std::string text = fmt::format("{}", value / unit);
  if (value % unit == 0) return text;
  const auto digits = fmt::format("{}", unit).size() - 1;
  std::string fraction = fmt::format("{:0{}}", value % unit, digits);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return text + "." + fraction;
}

}  // namespace

std::string limit_output(std::string text) {
  if (text.size() > kMaxOutput) text.resize(kMaxOutput);
  return text;
}

std::string format_duration(Nanoseconds duration) {
  constexpr std::int64_t kMicro = 1'000;
  constexpr std::int64_t kMilli = 1'000'000;
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t n = duration.count();
  if (n < 0) return "-" + format_duration(-duration);
  if (n == 0) return "0s";
  if (n < kMicro) return fmt::format("{}ns", n);
  if (n < kMilli) return decimal(n, kMicro) + "µs";
  if (n < kSecond) return decimal(n, kMilli) + "ms";
  const std::int64_t minutes = n / (60 * kSecond);
  const std::string seconds = decimal(n % (60 * kSecond), kSecond) + "s";
  if (minutes == 0) return seconds;
  if (minutes < 60) return fmt::format("{}m{}", minutes, seconds);
  return fmt::format("{}h{}m{}", minutes / 60, minutes % 60, seconds);
}

std::string join_host_port(std::string_view host, unsigned port) {
  const bool bracket = host.find(':') != std::string_view::npos;
  return fmt::format("{}{}{}:{}", bracket ? "[" : "", host, bracket ? "]" : "", port);
}

std::string error_words(const boost::system::error_code& error) {
  std::string text = error.message();
  const bool acronym = text.size() > 1 && std::isupper(static_cast<unsigned char>(text[1]));
  if (!text.empty() && !acronym) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace keelson::probes
