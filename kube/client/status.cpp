#include "kube/client/status.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/strings.hpp"
#include "kube/text_member.hpp"

namespace keelson::kube {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxForeignText = 1024;

// apimachinery's NewGenericServerResponse.
std::string reason_of(int code) {
  switch (code) {
    case 400:
      return "BadRequest";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 405:
      return "MethodNotAllowed";
    case 406:
      return "NotAcceptable";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "RequestEntityTooLarge";
    case 415:
      return "UnsupportedMediaType";
    case 422:
      return "Invalid";
    case 429:
      return "TooManyRequests";
    case 500:
      return "InternalError";
    case 503:
      return "ServiceUnavailable";
    case 504:
      return "Timeout";
    default:
      return "Unknown";
  }
}

Errc errc_of(int code, const std::string& reason) {
  switch (code) {
    case 401:
    case 403:
      return Errc::permission_denied;
    case 404:
      return Errc::not_found;
    case 405:
    case 406:
    case 415:
      return Errc::unimplemented;
    case 409:
      return reason == "AlreadyExists" ? Errc::already_exists : Errc::failed_precondition;
    case 410:
      return Errc::failed_precondition;
    case 429:
      return Errc::resource_exhausted;
    default:
      break;
  }
  if (code >= 500) return Errc::unavailable;
  return code >= 400 ? Errc::invalid_argument : Errc::internal;
}

Error from_status(const Json& status, int code) {
  std::string reason = text_member(status, "reason");
  if (reason.empty()) reason = reason_of(code);
  std::string message = text_member(status, "message");
  if (message.empty()) message = reason;
  const Errc errc = errc_of(code, reason);
  return make_error(errc, std::move(message), std::move(reason));
}

}  // namespace

Error error_of_answer(int code, const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_object() && text_member(json, "kind") == "Status") return from_status(json, code);
  std::string message = "HTTP " + std::to_string(code);
  if (const auto text = trim(std::string_view(body).substr(0, kMaxForeignText)); !text.empty()) {
    message.append(": ").append(text);
  }
  const std::string reason = reason_of(code);
  return make_error(errc_of(code, reason), std::move(message), reason);
}

Error error_of_status(const std::string& status_json) {
  const Json json = Json::parse(status_json, nullptr, false);
  if (!json.is_object()) return make_error(Errc::internal, "the watch failed with something that is no Status");
  const auto code = json.find("code");
  return from_status(json, code != json.end() && code->is_number_integer() ? code->get<int>() : 500);
}

std::optional<Seconds> parse_retry_after(const std::string& value) {
  long seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc() || end != value.data() + value.size() || seconds < 0) return std::nullopt;
  return Seconds(seconds);
}

}  // namespace keelson::kube
