#include "base/log.hpp"

#include "base/log_control.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

namespace keelson {
namespace {

struct State {
  std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("keelson", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  LogFormat format = LogFormat::text;
  LogLevel configured = LogLevel::info;
  std::function<void()> before_line;
  std::thread::id before_line_thread;
  State() { logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %L %v"); }
};

State& state() {
  static State s;
  return s;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  constexpr std::array kLevels = {spdlog::level::trace, spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                  spdlog::level::err};
  return kLevels.at(static_cast<std::size_t>(level));
}

bool needs_quotes(std::string_view v) { return v.empty() || v.find_first_of(" \"=\n\t\\") != std::string_view::npos; }

std::string quote(const std::string& v) {
  return nlohmann::json(v).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string as_text(std::string_view message, LogFields fields) {
  std::string line(message);
  for (const auto& f : fields) {
    line.append(" ").append(f.key).append("=");
    line += f.quoted && needs_quotes(f.value) ? quote(f.value) : f.value;
  }
  return line;
}

std::string as_json(LogLevel level, std::string_view message, LogFields fields) {
  constexpr std::array kNames = {"trace", "debug", "info", "warn", "error"};
  std::string line = std::string("\"level\":\"") + kNames.at(static_cast<std::size_t>(level)) + "\",\"msg\":";
  line += quote(std::string(message));
  for (const auto& f : fields) {
    line += "," + quote(std::string(f.key)) + ":" + (f.quoted ? quote(f.value) : f.value);
  }
  return line + "}";
}

std::string as_journal(LogLevel level, std::string_view message, LogFields fields) {
  constexpr std::array kPriority = {"<7>", "<7>", "<6>", "<4>", "<3>"};
  return kPriority.at(static_cast<std::size_t>(level)) + as_text(message, fields);
}

}  // namespace

Result<LogLevel> parse_log_level(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames = {"trace", "debug", "info", "warn", "error"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames.at(i) == name) return static_cast<LogLevel>(i);
  }
  return make_error(Errc::invalid_argument,
                    "unknown log level \"" + std::string(name) + "\": one of trace, debug, info, warn, error");
}

Result<LogFormat> parse_log_format(std::string_view name) {
  if (name == "text") return LogFormat::text;
  if (name == "json") return LogFormat::json;
  if (name == "journal") return LogFormat::journal;
  return make_error(Errc::invalid_argument,
                    "unknown log format \"" + std::string(name) + "\": one of text, json, journal");
}

void init_logging(LogLevel level, LogFormat format) {
  auto& s = state();
  s.format = format;
  switch (format) {
    case LogFormat::text:
      s.logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %L %v");
      break;
    case LogFormat::json:
      s.logger->set_pattern("{\"ts\":\"%Y-%m-%dT%H:%M:%S.%f%z\",%v");
      break;
    case LogFormat::journal:
      s.logger->set_pattern("%v");
      break;
  }
  s.configured = level;
  s.logger->set_level(to_spdlog(level));
  s.logger->flush_on(spdlog::level::trace);
}

void set_log_level(LogLevel level) { state().logger->set_level(to_spdlog(level)); }
LogLevel configured_log_level() { return state().configured; }

void before_log_line(std::function<void()> handler) {
  state().before_line = std::move(handler);
  state().before_line_thread = std::this_thread::get_id();
}

bool log_enabled(LogLevel level) { return state().logger->should_log(to_spdlog(level)); }

void log(LogLevel level, std::string_view message, LogFields fields) {
  auto& s = state();
  if (!s.logger->should_log(to_spdlog(level))) return;
  if (s.before_line && s.before_line_thread == std::this_thread::get_id()) s.before_line();
  switch (s.format) {
    case LogFormat::text:
      s.logger->log(to_spdlog(level), as_text(message, fields));
      break;
    case LogFormat::json:
      s.logger->log(to_spdlog(level), as_json(level, message, fields));
      break;
    case LogFormat::journal:
      s.logger->log(to_spdlog(level), as_journal(level, message, fields));
      break;
  }
}

}  // namespace keelson
