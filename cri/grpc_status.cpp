#include "cri/grpc_status.hpp"

#include <grpcpp/support/status_code_enum.h>

namespace keelson::cri {
namespace {

Errc to_errc(const GrpcStatus& status) {
  switch (static_cast<grpc::StatusCode>(status.code)) {
    case grpc::StatusCode::CANCELLED:
      return status.cancelled_here ? Errc::cancelled : Errc::unavailable;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::OUT_OF_RANGE:
      return Errc::invalid_argument;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Errc::deadline_exceeded;
    case grpc::StatusCode::NOT_FOUND:
      return Errc::not_found;
    case grpc::StatusCode::ALREADY_EXISTS:
      return Errc::already_exists;
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return Errc::permission_denied;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return Errc::resource_exhausted;
    case grpc::StatusCode::FAILED_PRECONDITION:
      return Errc::failed_precondition;
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::UNAVAILABLE:
      return Errc::unavailable;
    case grpc::StatusCode::UNIMPLEMENTED:
      return Errc::unimplemented;
    case grpc::StatusCode::DATA_LOSS:
      return Errc::io;
    default:
      return Errc::internal;  // UNKNOWN too: what runtimes send for every error that they gave no class
  }
}

// The last cause in gRPC's text: "failed to connect to all addresses; last error: UNKNOWN: unix:/x: No such file or
// directory" is "No such file or directory".
std::string_view connect_cause(std::string_view message) {
  constexpr std::string_view kLast = "last error: ";
  const auto last = message.rfind(kLast);
  if (last == std::string_view::npos) return message;
  message.remove_prefix(last + kLast.size());
  for (const std::string_view prefix : {"UNKNOWN: ", "UNAVAILABLE: ", "unix:"}) {
    if (!message.starts_with(prefix)) continue;
    const auto end = prefix == "unix:" ? message.find(": ") : prefix.size() - 2;
    if (end != std::string_view::npos) message.remove_prefix(end + 2);
  }
  return message;
}

}  // namespace

bool is_connection_failure(const GrpcStatus& status) {
  return status.code == grpc::StatusCode::UNAVAILABLE && !status.from_peer;
}

Error to_error(const GrpcStatus& status, std::string_view endpoint) {
  const auto code = to_errc(status);
  if (is_connection_failure(status)) {
    const auto cause = connect_cause(status.message);
    return make_error(code, "runtime is not reachable at " + std::string(endpoint) + ": " + std::string(cause));
  }
  // The same deadline may end the call on the server's side first; its gRPC library has no more to say then.
  if (code == Errc::deadline_exceeded && (!status.from_peer || status.message == "Deadline Exceeded")) {
    return make_error(code, "the runtime at " + std::string(endpoint) + " did not answer in time");
  }
  return make_error(code, status.message.empty() ? std::string(to_string(code)) : status.message);
}

}  // namespace keelson::cri
