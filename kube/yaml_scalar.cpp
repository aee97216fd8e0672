#include "kube/yaml_scalar.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace keelson::kube {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// An unsigned integer in Go's notation: 0x1f, 0b11, 0o17, 017, 15.
bool parse_unsigned(std::string_view text, std::uint64_t& out) {
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    char kind = static_cast<char>(text[1] | 0x20);
    base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
    text.remove_prefix(is_digit(text[1]) ? 1 : 2);
    if (base == 8 && kind != 'o' && !is_digit(kind)) return false;
  }
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return !text.empty() && ec == std::errc() && end == text.data() + text.size();
}

bool parse_integer(std::string_view text, nlohmann::json& out) {
  bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.remove_prefix(1);
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  std::uint64_t magnitude = 0;
  if (text.empty() || !is_digit(text[0]) || !parse_unsigned(text, magnitude)) return false;
  if (negative && magnitude > kMax + 1) return false;
  if (negative) {
    out = static_cast<std::int64_t>(0 - magnitude);
  } else if (magnitude <= kMax) {
    out = static_cast<std::int64_t>(magnitude);
  } else {
    out = magnitude;
  }
  return true;
}

std::size_t skip_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

// [-+]? (digits [. digits?]? | . digits) ([eE] [-+]? digits)?
bool looks_like_float(std::string_view text) {
  std::size_t at = text[0] == '-' || text[0] == '+' ? 1 : 0;
  std::size_t whole = skip_digits(text, at);
  std::size_t end = whole;
  if (whole < text.size() && text[whole] == '.') {
    end = skip_digits(text, whole + 1);
    if (whole == at && end == whole + 1) return false;  // a lone dot
  } else if (whole == at) {
    return false;
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    std::size_t digits = end + 1;
    if (digits < text.size() && (text[digits] == '-' || text[digits] == '+')) ++digits;
    end = skip_digits(text, digits);
    if (end == digits) return false;
  }
  return end == text.size();
}

bool parse_float(std::string_view text, nlohmann::json& out) {
  if (!looks_like_float(text)) return false;
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size()) return false;
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (value == std::trunc(value) && std::abs(value) <= kExact) {
    out = static_cast<std::int64_t>(value);
  } else {
    out = value;
  }
  return true;
}

}  // namespace

nlohmann::json resolve_plain_scalar(std::string_view text, bool& finite) {
  finite = true;
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (is_one_of(text, {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) return true;
  if (is_one_of(text, {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) return false;
  std::string_view unsigned_text = text[0] == '-' || text[0] == '+' ? text.substr(1) : text;
  if (is_one_of(unsigned_text, {".inf", ".Inf", ".INF"}) || is_one_of(text, {".nan", ".NaN", ".NAN"})) {
    finite = false;
    return nullptr;
  }
  nlohmann::json number;
  std::string plain(text);
  plain.erase(std::remove(plain.begin(), plain.end(), '_'), plain.end());
  if (!plain.empty() && !is_one_of(plain, {"-", "+"}) && text[0] != '_') {
    if (parse_integer(plain, number) || parse_float(plain, number)) return number;
  }
  return std::string(text);
}

}  // namespace keelson::kube
