// The programs that some kinds of volume need (mount.nfs, iscsiadm, mkfs), as a seam: the machine's, or a script in
// tests. Calls come from the loop's thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/subprocess.hpp"

namespace keelson::volumes {

class Runner {
 public:
  virtual ~Runner() = default;
  // Whether there is a program of that name in PATH or in the usual sbin folders.
  [[nodiscard]] virtual bool has(std::string_view program) = 0;
  // Runs argv[0]; killed with its children when `timeout` is over. Errors: it could not be started.
  virtual Awaitable<Result<CommandResult>> run(std::vector<std::string> argv, Seconds timeout) = 0;
};

[[nodiscard]] Runner& host_runner();

// What a command that failed said, in one line: "mount: exit code 32: mount.nfs: Connection refused".
[[nodiscard]] Error command_error(const std::string& program, const CommandResult& result);

}  // namespace keelson::volumes
