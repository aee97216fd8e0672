// default_to: sets a field that is absent. Internal to the defaults_*.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace keelson::kube {

inline void default_to(std::string& field, const char* value) {
  if (field.empty()) field = value;
}

inline void default_to(std::int32_t& field, std::int32_t value) {
  if (field == 0) field = value;
}

template <class T, class U>
void default_to(std::optional<T>& field, U value) {
  if (!field) field = value;
}

}  // namespace keelson::kube
