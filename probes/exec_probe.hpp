// One exec attempt: a command run in the container by the runtime.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "probes/outcome.hpp"

namespace keelson::kube {
struct EnvVar;
}

namespace keelson::probes {

struct ExecResult {
  int exit_code = 0;
  std::string output;  // stdout, then stderr
};

// Runs `argv` in a container through CRI ExecSync. An Error with Errc::deadline_exceeded means that the command
// outlived `timeout`; any other Error that the runtime could not run it. Must answer soon after `timeout` at the
// latest.
using ExecCallback = std::function<Awaitable<Result<ExecResult>>(std::string container_id,
                                                                 std::vector<std::string> argv, Nanoseconds timeout)>;

// `command` with $(NAME) replaced where `env` gives NAME a literal value; $$ is a literal $; other references stay.
// Follows kubecontainer.ExpandContainerCommandOnlyStatic.
[[nodiscard]] std::vector<std::string> expand_command(const std::vector<std::string>& command,
                                                      const std::vector<kube::EnvVar>& env);

// Exit code 0 is success, another one failure with the output as text, a timeout failure, other errors are `error`.
// `exec` must outlive the coroutine. Follows pkg/probe/exec/exec.go.
Awaitable<Outcome> exec_probe(const ExecCallback& exec, std::string container_id, std::vector<std::string> argv,
                              Nanoseconds timeout);

}  // namespace keelson::probes
