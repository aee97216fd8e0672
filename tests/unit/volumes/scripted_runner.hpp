// Programs that do as they are told, and a log of what was run.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/strings.hpp"
#include "volumes/runner.hpp"

namespace keelson::volumes {

class ScriptedRunner final : public Runner {
 public:
  [[nodiscard]] bool has(std::string_view program) override { return missing.count(std::string(program)) == 0; }

  Awaitable<Result<CommandResult>> run(std::vector<std::string> argv, Seconds) override {
    const std::string line = join(argv, " ");
    log.push_back(line);
    CommandResult result;
    result.exit_code = 0;
    for (const auto& [words, answer] : answers) {
      if (line.find(words) != std::string::npos) result = answer;
    }
    if (on_run) on_run(line);
    co_return result;
  }

  static CommandResult fails(int code, const std::string& err) {
    CommandResult result;
    result.exit_code = code;
    result.err = err;
    return result;
  }
  static CommandResult says(const std::string& out) {
    CommandResult result;
    result.exit_code = 0;
    result.out = out;
    return result;
  }

  std::set<std::string> missing;
  std::vector<std::pair<std::string, CommandResult>> answers;  // of commands that contain the words
  std::function<void(const std::string& line)> on_run;
  std::vector<std::string> log;
};

}  // namespace keelson::volumes
