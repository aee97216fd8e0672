// A running `exec`: copies stdin, stdout, stderr and the window's size between file descriptors and the daemon, in one
// poll loop, with what waits to be sent bounded.
#pragma once

#include <string>
#include <string_view>

#include "agent/cli/exec_protocol.hpp"

namespace keelson::agent {

// What the Status at the command's end means: the exit code, or why there is none.
[[nodiscard]] Result<int> exec_exit_code(std::string_view status);

struct ExecIo {
  int socket = -1;  // connected to the daemon
  int in = -1;      // what goes to the command's stdin; -1: none
  int out = 1, err = 2;
  int window = -1;   // a terminal whose size is sent; -1: none
  bool tty = false;  // the command has a terminal, and so no stderr of its own
};

// Sends the upgrade request for `target` and copies until the command has ended. The exit code, or what went wrong: the
// daemon's or runtime's own words when the upgrade is refused.
[[nodiscard]] Result<int> run_exec_session(const ExecIo& io, ExecProtocol& protocol, const std::string& target);

}  // namespace keelson::agent
