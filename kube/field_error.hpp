// FieldError: what is wrong with an object, by field path, worded as the API server words it.
// Follows k8s.io/apimachinery/pkg/util/validation/field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::kube {

struct FieldError {
  std::string path;    // "spec.containers[0].name"
  std::string reason;  // "Required value"
  [[nodiscard]] std::string to_string() const { return path + ": " + reason; }
  bool operator==(const FieldError&) const = default;
};

// All of them in one line, "; " between; at most `max`, then a count of the rest.
[[nodiscard]] std::string to_string(const std::vector<FieldError>& errors, std::size_t max = 10);

// A place in an object, built while walking it.
class FieldPath {
 public:
  explicit FieldPath(std::string_view root) : text_(root) {}
  [[nodiscard]] FieldPath operator/(std::string_view child) const;
  [[nodiscard]] FieldPath operator[](std::size_t index) const;
  // An entry of a map: `metadata.labels[app]`.
  [[nodiscard]] FieldPath key(std::string_view name) const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  FieldPath() = default;
  std::string text_;
};

// Collects the errors of one object.
class FieldErrors {
 public:
  void required(const FieldPath& at, std::string_view why = {});
  void invalid(const FieldPath& at, std::string_view value, std::string_view why);
  void invalid(const FieldPath& at, std::int64_t value, std::string_view why);
  void not_found(const FieldPath& at, std::string_view value);
  void duplicate(const FieldPath& at, std::string_view value);
  void forbidden(const FieldPath& at, std::string_view why);
  void unsupported(const FieldPath& at, std::string_view value, std::initializer_list<std::string_view> supported);

  // An error when `why` is not empty: for the checks of names.hpp.
  void check(const FieldPath& at, std::string_view value, std::string_view why);
  // `value` must be one of `supported`; an empty one is a missing field where `needed`, else fine.
  void one_of(const FieldPath& at, std::string_view value, std::initializer_list<std::string_view> supported,
              bool needed = false);
  void at_least(const FieldPath& at, std::int64_t value, std::int64_t min);

  [[nodiscard]] std::vector<FieldError> take() { return std::move(errors_); }

 private:
  void add(const FieldPath& at, std::string reason);
  std::vector<FieldError> errors_;
};

}  // namespace keelson::kube
