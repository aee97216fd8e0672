#include "cni/error.hpp"

#include "base/strings.hpp"
#include "cni/json_util.hpp"

namespace keelson::cni {
namespace {

unsigned code_for(Errc errc) {
  switch (errc) {
    case Errc::unavailable:
      return code::kTryAgainLater;
    case Errc::io:
      return code::kIo;
    case Errc::invalid_argument:
      return code::kInvalidConfig;
    default:
      return code::kInternal;
  }
}

// The plugin's own error object, or nothing.
std::optional<CniError> parse_error_object(std::string_view out) {
  auto parsed = parse_json_object(out);
  if (!parsed) return std::nullopt;
  const Json* number = member(*parsed, "code");
  auto msg = get_string(*parsed, "msg");
  auto details = get_string(*parsed, "details");
  if (!msg || !details || (number && !number->is_number_unsigned())) return std::nullopt;
  if (!number && msg->empty()) return std::nullopt;
  return CniError(number ? number->get<unsigned>() : code::kUnknown, *msg, *details);
}

std::string tail(std::string_view text) {
  constexpr std::size_t kLongest = 1024;
  text = trim(text);
  return std::string(text.substr(text.size() > kLongest ? text.size() - kLongest : 0));
}

}  // namespace

CniError::CniError(const Error& error) : code(code_for(error.code)), msg(error.message) {}

std::string CniError::text() const {
  std::string out = msg;
  if (!details.empty()) out += out.empty() ? details : ": " + details;
  return out + " (code " + std::to_string(code) + ")";
}

CniError CniError::context(std::string_view what) const {
  return CniError(code, std::string(what) + ": " + msg, details);
}

Error CniError::to_error() const {
  const Errc errc = code == code::kTryAgainLater || code == code::kNotAvailable ? Errc::unavailable
                    : code == code::kContainerUnknown                           ? Errc::not_found
                    : code == code::kIo                                         ? Errc::io
                    : code == code::kInvalidConfig                              ? Errc::invalid_argument
                                                                                : Errc::internal;
  return make_error(errc, text());
}

std::string render_error(const CniError& error, std::string_view cni_version) {
  Json object = {{"cniVersion", cni_version}, {"code", error.code}, {"msg", error.msg}};
  if (!error.details.empty()) object["details"] = error.details;
  return dump(object);
}

CniError parse_plugin_failure(std::string_view out, std::string_view err, std::string_view how_it_ended) {
  if (auto error = parse_error_object(out)) return std::move(*error);
  std::string words = tail(err);
  if (words.empty()) words = tail(out);
  return CniError(code::kUnknown, "plugin failed without an error object, " + std::string(how_it_ended), words);
}

}  // namespace keelson::cni
