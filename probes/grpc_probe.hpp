// One grpc attempt: grpc.health.v1.Health/Check.
#pragma once

#include <memory>
#include <string>

#include "base/async.hpp"
#include "probes/outcome.hpp"

namespace keelson::probes {

struct GrpcTarget {
  std::string address;  // "10.0.0.1:50051", "[fd00::1]:50051"
  std::string service;  // of the request; empty: the server as a whole
};

// Plaintext, on a connection of its own. Only SERVING is success; everything else is a failure, and the text tells a
// server that cannot be reached, one without the protocol and a sick one apart. Follows pkg/probe/grpc/grpc.go.
Awaitable<Outcome> grpc_probe(std::shared_ptr<const GrpcTarget> target, Nanoseconds timeout);

}  // namespace keelson::probes
