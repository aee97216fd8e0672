#include "volumes/runner.hpp"

#include <unistd.h>

#include <cstdlib>

#include "base/strings.hpp"

namespace keelson::volumes {
namespace {

class HostRunner final : public Runner {
 public:
  [[nodiscard]] bool has(std::string_view program) override {
    const char* path = std::getenv("PATH");
    std::string folders = "/sbin:/usr/sbin:/usr/local/sbin:/bin:/usr/bin";
    if (path != nullptr) folders += ":" + std::string(path);
    for (const std::string& folder : split(folders, ':')) {
      const std::string file = folder + "/" + std::string(program);
      if (!folder.empty() && ::access(file.c_str(), X_OK) == 0) return true;
    }
    return false;
  }

  Awaitable<Result<CommandResult>> run(std::vector<std::string> argv, Seconds timeout) override {
    Command command;
    command.argv = std::move(argv);
    command.timeout = timeout;
    Result<CommandResult> result = co_await run_command(std::move(command));
    co_return result;
  }
};

}  // namespace

Runner& host_runner() {
  static HostRunner runner;
  return runner;
}

Error command_error(const std::string& program, const CommandResult& result) {
  return make_error(result.timed_out ? Errc::deadline_exceeded : Errc::unavailable,
                    program + ": " + replace_all(result.describe(), "\n", "; "));
}

}  // namespace keelson::volumes
