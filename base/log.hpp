// Structured logging: a message that does not vary, and fields that do. spdlog writes the lines; it is not in this
// header, so that logging costs no compile time.
//   log_info("container started", {{"pod", pod_name}, {"container", name}, {"attempt", 2}});
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.hpp"

namespace keelson {

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), quoted(false) {}
  LogField(std::string_view k, const Error& e) : key(k), value(e.message) {}
  template <class T>
  requires std::is_arithmetic_v<T> LogField(std::string_view k, T v)
      : key(k), value(std::to_string(v)), quoted(false) {}
  std::string_view key;
  std::string value;
  bool quoted = true;
};

using LogFields = std::initializer_list<LogField>;

enum class LogLevel { trace, debug, info, warn, error };
enum class LogFormat {
  text,     // time, level, message, key=value: for a terminal
  json,     // one JSON object a line
  journal,  // "<N>" priority prefix and no time: for systemd's journal
};

// "info" and the like; an unknown name is an error that lists the known ones.
Result<LogLevel> parse_log_level(std::string_view name);
Result<LogFormat> parse_log_format(std::string_view name);

// Call once at start; before that, text at level info goes to stderr.
void init_logging(LogLevel level, LogFormat format);
// Called before each line that the calling thread of this function logs: for what else is drawn on the same terminal.
void before_log_line(std::function<void()> handler);
[[nodiscard]] bool log_enabled(LogLevel level);
void log(LogLevel level, std::string_view message, LogFields fields = {});

inline void log_debug(std::string_view m, LogFields f = {}) {
  if (log_enabled(LogLevel::debug)) log(LogLevel::debug, m, f);
}
inline void log_info(std::string_view m, LogFields f = {}) { log(LogLevel::info, m, f); }
inline void log_warn(std::string_view m, LogFields f = {}) { log(LogLevel::warn, m, f); }
inline void log_error(std::string_view m, LogFields f = {}) { log(LogLevel::error, m, f); }

}  // namespace keelson
