// What an answer that is no success means. Pure.
#pragma once

#include <optional>
#include <string>

#include "base/chrono.hpp"
#include "base/result.hpp"

namespace keelson::kube {

// The Error of an answer with HTTP status `code`: message and reason of the Status in `body`, or, where the body is
// none, the reason that belongs to the code and the body's beginning. api.hpp lists the codes.
[[nodiscard]] Error error_of_answer(int code, const std::string& body);

// The same of a Status that came in a watch's ERROR event, as JSON text.
[[nodiscard]] Error error_of_status(const std::string& status_json);

// The seconds of a Retry-After header; nothing where it is empty or a date, which no API server sends.
[[nodiscard]] std::optional<Seconds> parse_retry_after(const std::string& value);

}  // namespace keelson::kube
