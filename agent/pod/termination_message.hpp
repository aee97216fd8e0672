// What an exited container left to say. After upstream's getTerminationMessage (kuberuntime_container.go).
#pragma once

#include <string>

namespace keelson::agent {

struct TerminationMessageInput {
  std::string file;      // host path of the file mounted at terminationMessagePath; empty: none
  std::string policy;    // File, FallbackToLogsOnError
  std::string log_file;  // host path of the container's log
  int exit_code = 0;
  std::string reason;           // the runtime's
  std::string runtime_message;  // what the runtime itself says of the exit
};

// The last 4096 bytes of the file; where that is empty, the policy asks for it and the container failed, the last 80
// lines (at most 2048 bytes) of its log; put behind the runtime's own words, where it has any. Blocks on the disk.
[[nodiscard]] std::string termination_message(const TerminationMessageInput& input);

// The text of the last lines of a CRI log, at most `max_lines` and `max_bytes`.
[[nodiscard]] std::string log_tail(const std::string& path, std::size_t max_lines, std::size_t max_bytes);

}  // namespace keelson::agent
