#include "base/error.hpp"

#include <cerrno>
#include <utility>

namespace keelson {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return "invalid argument";
    case Errc::not_found:
      return "not found";
    case Errc::already_exists:
      return "already exists";
    case Errc::failed_precondition:
      return "failed precondition";
    case Errc::permission_denied:
      return "permission denied";
    case Errc::resource_exhausted:
      return "resource exhausted";
    case Errc::unavailable:
      return "unavailable";
    case Errc::deadline_exceeded:
      return "deadline exceeded";
    case Errc::unimplemented:
      return "unimplemented";
    case Errc::cancelled:
      return "cancelled";
    case Errc::io:
      return "i/o error";
    case Errc::internal:
      return "internal error";
  }
  return "unknown";
}

Error Error::context(std::string_view what) const { return Error{code, std::string(what) + ": " + message, reason}; }

Error Error::with_reason(std::string_view r) const { return Error{code, message, std::string(r)}; }

Error make_error(Errc code, std::string message, std::string reason) {
  return Error{code, std::move(message), std::move(reason)};
}

namespace {

Errc errc_of(int err) {
  switch (err) {
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
      return Errc::invalid_argument;
    case ENOENT:
      return Errc::not_found;
    case EEXIST:
      return Errc::already_exists;
    case EPERM:
    case EACCES:
      return Errc::permission_denied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return Errc::resource_exhausted;
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
      return Errc::unavailable;
    case ETIMEDOUT:
      return Errc::deadline_exceeded;
    case ENOSYS:
    case EOPNOTSUPP:
      return Errc::unimplemented;
    case ECANCELED:
      return Errc::cancelled;
    default:
      return Errc::io;
  }
}

}  // namespace

Error errno_error(int err, std::string_view what) {
  return system_error(std::error_code(err, std::generic_category()), what);
}

Error system_error(const std::error_code& ec, std::string_view what) {
  const bool is_errno = ec.category() == std::generic_category() || ec.category() == std::system_category();
  return make_error(is_errno ? errc_of(ec.value()) : Errc::io, std::string(what) + ": " + ec.message());
}

}  // namespace keelson
