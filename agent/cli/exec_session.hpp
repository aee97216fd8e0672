// A running `exec`: copies stdin, stdout, stderr and the window's size over the WebSocket protocol v4.channel.k8s.io.
// A message's first byte is its channel; channel 3 brings, at the end, a Status with the command's exit code.
// After upstream's k8s.io/kubelet pkg/cri/streaming/remotecommand/websocket.go.
#pragma once

#include <optional>
#include <string>

#include "agent/cli/websocket.hpp"

namespace keelson::agent {

inline constexpr const char* kExecProtocol = "v4.channel.k8s.io";

// What a Status of channel 3 means: the exit code, or why there is none.
[[nodiscard]] Result<int> exec_exit_code(std::string_view status);

struct ExecIo {
  int socket = -1;         // connected to the daemon
  int in = -1;             // what goes to the command's stdin; -1: none
  int out = 1, err = 2;
  int window = -1;         // a terminal whose size is sent; -1: none
};

// Sends the upgrade request for `target` and copies until the command has ended. The exit code, or what went wrong: the
// daemon's or runtime's own words when the upgrade is refused.
[[nodiscard]] Result<int> run_exec_session(const ExecIo& io, const std::string& target);

}  // namespace keelson::agent
