// One program run to its end: stdin given, stdout and stderr gathered, and its whole process group killed when the time
// is up or the caller is cancelled.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/async.hpp"

namespace keelson {

struct Command {
  std::vector<std::string> argv;                // argv[0] is a path, or a name looked up in PATH
  std::optional<std::vector<std::string>> env;  // "K=V" each; none: our own environment
  std::string stdin_data;                       // written to the program's stdin, then closed
  std::optional<Milliseconds> timeout;          // none: no limit
  std::size_t max_output = 1u << 20;            // of stdout and of stderr each; more is read and dropped
};

struct CommandResult {
  int exit_code = -1;      // valid when signal is 0 and not timed_out
  int signal = 0;          // the signal that ended it, or 0
  bool timed_out = false;  // killed by us because the time was up
  std::string out;
  std::string err;

  [[nodiscard]] bool ok() const { return exit_code == 0 && signal == 0 && !timed_out; }
  // "exit code 2: last words of stderr" or the like, for an error's text.
  [[nodiscard]] std::string describe() const;
};

// Our own environment with these variables in it, as Command::env takes it.
[[nodiscard]] std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& more);

// Runs `command` in a process group of its own. An Error means that it could not be started (not_found,
// permission_denied, ...; ETXTBSY is Errc::unavailable); how it ended is in the result. When the calling task is
// cancelled, the group is killed and reaped, and operation_aborted is thrown.
Awaitable<Result<CommandResult>> run_command(Command command);

}  // namespace keelson
