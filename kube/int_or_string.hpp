// IntOrString: a port number or a port's name, a count or a percentage.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace keelson::kube {

class IntOrString {
 public:
  IntOrString() = default;
  IntOrString(std::int32_t value) : value_(value) {}              // NOLINT(google-explicit-constructor)
  IntOrString(std::string value) : value_(std::move(value)) {}    // NOLINT(google-explicit-constructor)
  IntOrString(const char* value) : value_(std::string(value)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool is_int() const { return value_.index() == 0; }
  [[nodiscard]] bool is_string() const { return value_.index() == 1; }
  // The number; 0 when this is a string.
  [[nodiscard]] std::int32_t int_value() const { return is_int() ? std::get<0>(value_) : 0; }
  // The string; empty when this is a number.
  [[nodiscard]] std::string string_value() const { return is_string() ? std::get<1>(value_) : std::string(); }
  // Either one as text.
  [[nodiscard]] std::string to_string() const {
    return is_int() ? std::to_string(std::get<0>(value_)) : std::get<1>(value_);
  }
  // False for the number 0 and the empty string, which upstream treats as "not set".
  [[nodiscard]] bool is_set() const { return is_int() ? std::get<0>(value_) != 0 : !std::get<1>(value_).empty(); }

  friend bool operator==(const IntOrString&, const IntOrString&) = default;

 private:
  std::variant<std::int32_t, std::string> value_ = 0;
};

}  // namespace keelson::kube
