// The ordinary way of a call: over the socket to the agent and back, with plain blocking calls.
#pragma once

#include <chrono>
#include <filesystem>

#include "cni/protocol.hpp"

namespace keelson::cni {

struct ForwardTiming {
  std::chrono::milliseconds connect;  // as long as nobody listens, connecting is tried again
  std::chrono::milliseconds reply;    // from then on
};

// The agent's reply. Errc::unavailable: nobody listens. Errc::cancelled: the agent took the request and went away
// without an answer. Others: the agent is there but does not understand us or is too slow.
Result<ShimReply> forward(const std::filesystem::path& socket, const ShimRequest& request, const ForwardTiming& timing);

}  // namespace keelson::cni
