#include "cni/exec.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace keelson::cni {
namespace fs = std::filesystem;

ProcessExec::ProcessExec(const Executor& executor, ExecOptions options)
    : options_(options), places_(executor, options.max_parallel) {}

Result<fs::path> ProcessExec::find(const std::string& type, const std::vector<fs::path>& dirs) const {
  std::string searched;
  for (const auto& dir : dirs) {
    const fs::path path = dir / type;
    struct stat st {};
    if (::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(path.c_str(), X_OK) == 0) return path;
    searched += (searched.empty() ? "" : ", ") + dir.string();
  }
  return make_error(Errc::not_found, "plugin \"" + type + "\" not found in " + searched);
}

Awaitable<Result<CommandResult>> ProcessExec::run(Command command) {
  const auto place = co_await places_.acquire();
  for (unsigned tries = 0;; ++tries) {
    Command again = command;
    auto result = co_await run_command(std::move(again));
    // "unavailable" is how run_command tells ETXTBSY: the binary is just being installed.
    if (result || result.error().code != Errc::unavailable || tries >= options_.busy_retries) co_return result;
    co_await sleep_for(options_.busy_pause);
  }
}

}  // namespace keelson::cni
