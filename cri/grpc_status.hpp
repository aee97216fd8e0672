// The one place where gRPC's status codes become ours.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace keelson::cri {

// How a call ended, as gRPC tells it.
struct GrpcStatus {
  int code = 0;  // grpc::StatusCode; 0 is OK
  std::string message;
  bool from_peer = false;       // the runtime sent it; else our own side of the connection made it up
  bool cancelled_here = false;  // our task was cancelled
};

// True for the failures that mean that there is no connection (any more).
[[nodiscard]] bool is_connection_failure(const GrpcStatus& status);

// The error for a status that is not OK. The runtime's words are kept; failures of the connection read "runtime is not
// reachable at ENDPOINT: REASON". CANCELLED that we did not ask for is the runtime shutting down: unavailable.
[[nodiscard]] Error to_error(const GrpcStatus& status, std::string_view endpoint);

}  // namespace keelson::cri
