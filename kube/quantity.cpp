#include "kube/quantity.hpp"

#include <array>
#include <charconv>
#include <limits>

namespace keelson::kube {
namespace {

constexpr __int128 kNano = 1'000'000'000;
constexpr __int128 kMax = static_cast<__int128>(std::numeric_limits<std::int64_t>::max()) * kNano;

__int128 clamp(__int128 nanos) { return nanos > kMax ? kMax : nanos < -kMax ? -kMax : nanos; }

// nanos / divisor away from zero, as int64 holds it.
std::int64_t divide_up(__int128 nanos, __int128 divisor) {
  constexpr __int128 kLimit = std::numeric_limits<std::int64_t>::max();
  __int128 quotient = nanos / divisor;
  if (nanos % divisor != 0) quotient += nanos > 0 ? 1 : -1;
  return static_cast<std::int64_t>(quotient > kLimit ? kLimit : quotient < -kLimit ? -kLimit : quotient);
}

struct Suffix {
  std::string_view text;
  int base;
  int exponent;
};
constexpr std::array<Suffix, 16> kSuffixes{{{"", 10, 0},
                                            {"n", 10, -9},
                                            {"u", 10, -6},
                                            {"m", 10, -3},
                                            {"k", 10, 3},
                                            {"M", 10, 6},
                                            {"G", 10, 9},
                                            {"T", 10, 12},
                                            {"P", 10, 15},
                                            {"E", 10, 18},
                                            {"Ki", 2, 10},
                                            {"Mi", 2, 20},
                                            {"Gi", 2, 30},
                                            {"Ti", 2, 40},
                                            {"Pi", 2, 50},
                                            {"Ei", 2, 60}}};

// Reads a suffix; false when there is no such suffix.
bool read_suffix(std::string_view text, int& base, int& exponent, Quantity::Format& format) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.text != text) continue;
    base = suffix.base;
    exponent = suffix.exponent;
    format = base == 2 ? Quantity::Format::binary_si : Quantity::Format::decimal_si;
    return true;
  }
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return false;
  text.remove_prefix(1);
  if (text[0] == '+') text.remove_prefix(1);
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), exponent);
  base = 10;
  format = Quantity::Format::decimal_exponent;
  return ec == std::errc() && end == text.data() + text.size();
}

// A decimal number as digits and a power of ten; digits that no quantity can show are folded away.
struct Decimal {
  __int128 digits = 0;
  std::int64_t exponent = 0;
  bool inexact = false;  // non-zero digits were dropped
};

// Appends one digit. 2^100 leaves room for a binary suffix to be applied in pieces.
void append_digit(Decimal& number, int digit, bool fraction) {
  constexpr __int128 kFull = static_cast<__int128>(1) << 100;
  if (number.digits > kFull) {
    number.inexact |= digit != 0;
    if (!fraction) ++number.exponent;
    return;
  }
  number.digits = number.digits * 10 + digit;
  if (fraction) --number.exponent;
}

// Takes digits with at most one dot off the front of `text`; false when there are none.
bool take_decimal(std::string_view& text, Decimal& number) {
  bool any = false;
  bool fraction = false;
  while (!text.empty()) {
    char c = text[0];
    if (c == '.' && !fraction) {
      fraction = true;
    } else if (c >= '0' && c <= '9') {
      append_digit(number, c - '0', fraction);
      any = true;
    } else {
      break;
    }
    text.remove_prefix(1);
  }
  return any;
}

// digits * 10^exponent * 2^shift in billionths: rounded away from zero, capped.
__int128 scale(Decimal number, int shift) {
  if (number.digits == 0) return 0;
  number.exponent += 9;
  // Divide before multiplying where both are due, but never lose a digit to it: powers of two and ten are applied one
  // by one, and the remainder is remembered.
  auto halve = [&](int by) {
    number.inexact |= number.digits % by != 0;
    number.digits /= by;
  };
  for (; number.exponent > 0 && number.digits <= kMax; --number.exponent) number.digits *= 10;
  if (number.exponent > 0) return kMax;
  while (shift > 0 || number.exponent < 0) {
    constexpr __int128 kRoom = static_cast<__int128>(1) << 122;
    if (shift > 0 && number.digits < kRoom) {
      number.digits *= 2;
      --shift;
    } else if (number.exponent < 0) {
      halve(10);
      ++number.exponent;
    } else {
      return kMax;  // no room left and nothing to divide by
    }
    if (number.digits == 0) break;
  }
  if (number.inexact) ++number.digits;
  return clamp(number.digits);
}

struct Canonical {
  __int128 mantissa;
  int exponent;
};

std::string to_text(__int128 value) {
  if (value == 0) return "0";
  std::string text;
  bool negative = value < 0;
  for (__int128 rest = negative ? -value : value; rest != 0; rest /= 10) {
    text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  }
  return negative ? "-" + text : text;
}

std::string suffix_for(int base, int exponent) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.base == base && suffix.exponent == exponent) return std::string(suffix.text);
  }
  return {};  // base 2, exponent 0
}

}  // namespace

Quantity Quantity::of(std::int64_t value, Format format) {
  Quantity q;
  q.nanos_ = clamp(value * kNano);
  q.format_ = format;
  return q;
}

Quantity Quantity::of_milli(std::int64_t value) {
  Quantity q;
  q.nanos_ = value * (kNano / 1000);
  return q;
}

Result<Quantity> Quantity::parse(std::string_view text) {
  auto bad = [&](std::string_view why) {
    return make_error(Errc::invalid_argument, "expected a quantity such as 100m or 1Gi, got \"" + std::string(text) +
                                                  "\": " + std::string(why));
  };
  std::string_view rest = text;
  bool negative = !rest.empty() && rest[0] == '-';
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
  Decimal number;
  if (!take_decimal(rest, number)) return bad("no number");
  int base = 10;
  int exponent = 0;
  Quantity q;
  if (!read_suffix(rest, base, exponent, q.format_)) return bad("unknown suffix \"" + std::string(rest) + '"');
  if (base == 10) number.exponent += exponent;
  q.nanos_ = scale(number, base == 2 ? exponent : 0);
  // Small binary amounts could not be shown: "0.001Ki" is 1024m.
  if (q.format_ == Format::binary_si && !negative && q.nanos_ > 0 && q.nanos_ < kNano) q.format_ = Format::decimal_si;
  if (negative) q.nanos_ = -q.nanos_;
  return q;
}

std::int64_t Quantity::value() const { return divide_up(nanos_, kNano); }
std::int64_t Quantity::milli_value() const { return divide_up(nanos_, kNano / 1000); }

std::string Quantity::to_string() const {
  if (nanos_ == 0) return "0";
  bool small = nanos_ > -1024 * kNano && nanos_ < 1024 * kNano;
  if (format_ == Format::binary_si && !small && nanos_ % kNano == 0) {
    Canonical c{nanos_ / kNano, 0};
    for (; c.mantissa % 1024 == 0; c.mantissa /= 1024) c.exponent += 10;
    return to_text(c.mantissa) + suffix_for(2, c.exponent);
  }
  Canonical c{nanos_, -9};
  for (; c.mantissa % 1000 == 0; c.mantissa /= 1000) c.exponent += 3;
  if (format_ != Format::decimal_exponent) return to_text(c.mantissa) + suffix_for(10, c.exponent);
  return to_text(c.mantissa) + (c.exponent == 0 ? "" : "e" + std::to_string(c.exponent));
}

// A sum takes the other's format where this side is zero, as upstream's Add does.
Quantity& Quantity::operator+=(const Quantity& other) {
  if (nanos_ == 0) format_ = other.format_;
  nanos_ = clamp(nanos_ + other.nanos_);
  return *this;
}

Quantity& Quantity::operator-=(const Quantity& other) {
  if (nanos_ == 0) format_ = other.format_;
  nanos_ = clamp(nanos_ - other.nanos_);
  return *this;
}

}  // namespace keelson::kube
