// For JSON that is read by hand.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace keelson::kube {

// The text that `object` has under `name`; empty where it has none, or something else, or is no object.
[[nodiscard]] inline std::string text_member(const nlohmann::json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace keelson::kube
