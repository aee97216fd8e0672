// The project's log calls as lines on stderr, where a CNI plugin's free-form log belongs; spdlog stays out of the shim.
#include <cstdio>
#include <string>

#include "base/log.hpp"

namespace keelson {

bool log_enabled(LogLevel level) { return level >= LogLevel::warn; }

void log(LogLevel level, std::string_view message, LogFields fields) {
  if (!log_enabled(level)) return;
  std::string line = "keelson-cni: " + std::string(message);
  for (const auto& field : fields) line.append(" ").append(field.key).append("=\"").append(field.value).append("\"");
  std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace keelson
