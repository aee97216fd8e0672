// The one error type of the project: a code to decide on, a message for people, and, where a Kubernetes object will
// show it, the CamelCase reason that its status or event carries.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace keelson {

enum class Errc {
  invalid_argument,     // the caller's or the user's input is wrong; trying again will not help
  not_found,            // the object named does not exist
  already_exists,       // the object named exists already
  failed_precondition,  // the system is not in the state the call needs
  permission_denied,    // EPERM, EACCES, UNAUTHENTICATED
  resource_exhausted,   // a limit or a quota was hit
  unavailable,          // the peer is not there now; trying again may help
  deadline_exceeded,    // the time allowed ran out
  unimplemented,        // the peer does not have this call
  cancelled,            // we are stopping, or the caller gave up; never shown as a failure
  io,                   // a system call failed
  internal,             // a bug, here or in the peer
};

// The code's name in words, as logs show it.
[[nodiscard]] std::string_view to_string(Errc code);

struct Error {
  Errc code = Errc::internal;
  std::string message;
  std::string reason;  // Kubernetes-style, e.g. "CreateContainerError"; empty where none applies

  // The same error with "what: " put before the message, for use while unwinding.
  [[nodiscard]] Error context(std::string_view what) const;
  // The same error with the given reason.
  [[nodiscard]] Error with_reason(std::string_view r) const;
};

[[nodiscard]] Error make_error(Errc code, std::string message, std::string reason = {});
// "WHAT: strerror(err)", with the code that fits the errno value.
[[nodiscard]] Error errno_error(int err, std::string_view what);
[[nodiscard]] Error system_error(const std::error_code& ec, std::string_view what);

}  // namespace keelson
