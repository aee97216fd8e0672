// What `keelson explain` and `keelson status` print, from the daemon's documents. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/chrono.hpp"

namespace keelson::agent {

// From agent/server/explain.hpp's document. When nothing was found the text says so and lists names that are near.
[[nodiscard]] std::string explain_text(const nlohmann::json& document, SystemTime now);
// Whether the document holds anything about its subject.
[[nodiscard]] bool explains_something(const nlohmann::json& document);

[[nodiscard]] std::string status_text(const nlohmann::json& status);

}  // namespace keelson::agent
