// What `keelson explain service` prints, from agent/proxy/explain.hpp's document. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace keelson::agent {

// When there is no such Service the text says so.
[[nodiscard]] std::string explain_service_text(const nlohmann::json& document);
// Whether the document holds a Service.
[[nodiscard]] bool explains_service(const nlohmann::json& document);

}  // namespace keelson::agent
