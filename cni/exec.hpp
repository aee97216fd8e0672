// The seam to the plugin binaries: everything that runs a plugin goes through PluginExec, so a test can stand in for
// it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "base/semaphore.hpp"
#include "base/subprocess.hpp"

namespace keelson::cni {

class PluginExec {
 public:
  virtual ~PluginExec() = default;
  // The path of the binary named `type` in the first of `dirs` that has it; not_found names the type and the folders.
  virtual Result<std::filesystem::path> find(const std::string& type,
                                             const std::vector<std::filesystem::path>& dirs) const = 0;
  // Runs one plugin to its end. An Error means that it could not be started. Cancelling kills its process group.
  virtual Awaitable<Result<CommandResult>> run(Command command) = 0;
};

struct ExecOptions {
  unsigned max_parallel = 8;      // plugin processes at a time; more wait in order
  unsigned busy_retries = 5;      // after the first try, while exec says "text file busy"
  Milliseconds busy_pause{1000};  // libcni pkg/invoke/raw_exec.go
};

// Real processes, by base/subprocess.
class ProcessExec final : public PluginExec {
 public:
  explicit ProcessExec(const Executor& executor, ExecOptions options = {});
  Result<std::filesystem::path> find(const std::string& type,
                                     const std::vector<std::filesystem::path>& dirs) const override;
  Awaitable<Result<CommandResult>> run(Command command) override;

 private:
  ExecOptions options_;
  Semaphore places_;
};

}  // namespace keelson::cni
