// Quantity: an amount of a resource ("500m", "1Gi", "1e3"), exact to a billionth.
// Follows k8s.io/apimachinery/pkg/api/resource: Quantity.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::kube {

class Quantity {
 public:
  enum class Format { decimal_si, binary_si, decimal_exponent };

  Quantity() = default;
  // `value` whole units, e.g. bytes or cores.
  [[nodiscard]] static Quantity of(std::int64_t value, Format format = Format::decimal_si);
  // `value` thousandths, e.g. milli-CPUs.
  [[nodiscard]] static Quantity of_milli(std::int64_t value);
  // Reads a number with an optional suffix: n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or e/E and an exponent. Amounts below
  // a billionth are rounded away from zero and amounts above 2^63-1 are capped, as upstream does.
  [[nodiscard]] static Result<Quantity> parse(std::string_view text);

  // Whole units, rounded up (away from zero); capped to what int64 holds.
  [[nodiscard]] std::int64_t value() const;
  // Thousandths, rounded up (away from zero); capped to what int64 holds.
  [[nodiscard]] std::int64_t milli_value() const;
  // The canonical text: no fraction, the largest suffix that keeps the amount exact ("0.5" -> "500m").
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] Format format() const { return format_; }
  [[nodiscard]] bool is_zero() const { return nanos_ == 0; }
  // -1, 0 or 1.
  [[nodiscard]] int sign() const { return (nanos_ > 0) - (nanos_ < 0); }

  Quantity& operator+=(const Quantity& other);
  Quantity& operator-=(const Quantity& other);
  friend Quantity operator+(Quantity a, const Quantity& b) { return a += b; }
  friend Quantity operator-(Quantity a, const Quantity& b) { return a -= b; }
  // Amounts compare; the format does not matter ("1" equals "1000m").
  friend bool operator==(const Quantity& a, const Quantity& b) { return a.nanos_ == b.nanos_; }
  friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
    return a.nanos_ < b.nanos_   ? std::strong_ordering::less
           : a.nanos_ > b.nanos_ ? std::strong_ordering::greater
                                 : std::strong_ordering::equal;
  }

 private:
  __int128 nanos_ = 0;  // billionths: (2^63-1) * 10^9 fits with room to spare
  Format format_ = Format::decimal_si;
};

// Resource name ("cpu", "memory", "hugepages-2Mi", ...) to amount.
using ResourceList = std::map<std::string, Quantity>;

}  // namespace keelson::kube
