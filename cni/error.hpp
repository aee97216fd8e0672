// The errors of the CNI protocol: a numeric code that the caller decides on, a message and details for people.
// CNI spec 1.1.0, section 5 "Error"; the internal code 999 is libcni's types.ErrInternal.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/result.hpp"

namespace keelson::cni {

namespace code {
inline constexpr unsigned kUnknown = 0;              // a plugin failed without an error object
inline constexpr unsigned kIncompatibleVersion = 1;  // the plugin does not speak the cniVersion given
inline constexpr unsigned kUnsupportedField = 2;
inline constexpr unsigned kContainerUnknown = 3;    // no such container; nothing to clean up
inline constexpr unsigned kInvalidEnvironment = 4;  // a CNI_* variable is missing or malformed
inline constexpr unsigned kIo = 5;
inline constexpr unsigned kDecode = 6;
inline constexpr unsigned kInvalidConfig = 7;
inline constexpr unsigned kTryAgainLater = 11;        // transient: the same call may succeed soon
inline constexpr unsigned kNotAvailable = 50;         // STATUS: ADD cannot be served now
inline constexpr unsigned kLimitedConnectivity = 51;  // STATUS: nor do existing containers work fully
inline constexpr unsigned kInternal = 999;
}  // namespace code

struct CniError {
  CniError() = default;
  CniError(unsigned c, std::string message, std::string more = {})
      : code(c), msg(std::move(message)), details(std::move(more)) {}
  // A failure of our own as the protocol shows it: unavailable is "try again later", io 5, bad input 7, else internal.
  CniError(const Error& error);  // NOLINT: implicit, so that TRY turns a Result's error into this one

  unsigned code = code::kInternal;
  std::string msg;
  std::string details;

  // "msg: details (code N)".
  [[nodiscard]] std::string text() const;
  // The same error with "what: " before its message.
  [[nodiscard]] CniError context(std::string_view what) const;
  // The same for the rest of the project; code 11 becomes Errc::unavailable, 3 not_found.
  [[nodiscard]] Error to_error() const;
};

[[noreturn]] inline void throw_exception_from_error(const CniError& error, const boost::source_location&) {
  throw std::runtime_error(error.text());
}

// A value or a CniError; TRY and CHECK_OK work on it.
template <class T = void>
class [[nodiscard]] CniResult : public boost::system::result<T, CniError> {
 public:
  using Base = boost::system::result<T, CniError>;
  using Base::Base;
};

// The error object that a plugin prints on stdout: {"cniVersion", "code", "msg", "details"}.
[[nodiscard]] std::string render_error(const CniError& error, std::string_view cni_version);

// The error that a plugin's failure means: its error object on stdout, or code 0 with the words of stderr when stdout
// is no such object (libcni pkg/invoke/raw_exec.go).
[[nodiscard]] CniError parse_plugin_failure(std::string_view out, std::string_view err, std::string_view how_it_ended);

}  // namespace keelson::cni
