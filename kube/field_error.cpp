#include "kube/field_error.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace keelson::kube {
namespace {

std::string quoted(std::string_view value) { return '"' + std::string(value) + '"'; }

std::string with_detail(std::string reason, std::string_view detail) {
  return detail.empty() ? reason : reason + ": " + std::string(detail);
}

}  // namespace

std::string to_string(const std::vector<FieldError>& errors, std::size_t max) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < errors.size() && i < max; ++i) lines.push_back(errors[i].to_string());
  if (errors.size() > max) lines.push_back("and " + std::to_string(errors.size() - max) + " more");
  return join(lines, "; ");
}

FieldPath FieldPath::operator/(std::string_view child) const {
  FieldPath path = *this;
  if (!path.text_.empty()) path.text_ += '.';
  path.text_ += child;
  return path;
}

FieldPath FieldPath::operator[](std::size_t index) const {
  FieldPath path = *this;
  path.text_ += '[' + std::to_string(index) + ']';
  return path;
}

FieldPath FieldPath::key(std::string_view name) const {
  FieldPath path = *this;
  path.text_.append("[").append(name).append("]");
  return path;
}

void FieldErrors::add(const FieldPath& at, std::string reason) { errors_.push_back({at.text(), std::move(reason)}); }

void FieldErrors::required(const FieldPath& at, std::string_view why) { add(at, with_detail("Required value", why)); }

void FieldErrors::invalid(const FieldPath& at, std::string_view value, std::string_view why) {
  add(at, with_detail("Invalid value: " + quoted(value), why));
}

void FieldErrors::invalid(const FieldPath& at, std::int64_t value, std::string_view why) {
  add(at, with_detail("Invalid value: " + std::to_string(value), why));
}

void FieldErrors::not_found(const FieldPath& at, std::string_view value) { add(at, "Not found: " + quoted(value)); }

void FieldErrors::duplicate(const FieldPath& at, std::string_view value) {
  add(at, "Duplicate value: " + quoted(value));
}

void FieldErrors::forbidden(const FieldPath& at, std::string_view why) { add(at, with_detail("Forbidden", why)); }

void FieldErrors::unsupported(const FieldPath& at, std::string_view value,
                              std::initializer_list<std::string_view> supported) {
  std::vector<std::string> names;
  for (std::string_view name : supported) names.push_back(quoted(name));
  add(at, "Unsupported value: " + quoted(value) + ": supported values: " + join(names, ", "));
}

void FieldErrors::check(const FieldPath& at, std::string_view value, std::string_view why) {
  if (!why.empty()) invalid(at, value, why);
}

void FieldErrors::one_of(const FieldPath& at, std::string_view value, std::initializer_list<std::string_view> supported,
                         bool needed) {
  if (value.empty()) {
    if (needed) required(at);
    return;
  }
  if (std::find(supported.begin(), supported.end(), value) == supported.end()) unsupported(at, value, supported);
}

void FieldErrors::at_least(const FieldPath& at, std::int64_t value, std::int64_t min) {
  if (value < min) invalid(at, value, "must be greater than or equal to " + std::to_string(min));
}

}  // namespace keelson::kube
