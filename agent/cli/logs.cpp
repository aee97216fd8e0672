#include <charconv>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/api_client.hpp"
#include "agent/cli/commands.hpp"
#include "agent/server/http.hpp"

namespace keelson::agent {
namespace {

// "90", "10s", "5m", "2h", "1d" in seconds.
Result<std::int64_t> parse_span(const std::string& text) {
  std::int64_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [rest, ec] = std::from_chars(text.data(), end, value);
  const std::string unit(rest, end);
  const std::int64_t factor = unit.empty() || unit == "s" ? 1
                              : unit == "m"               ? 60
                              : unit == "h"               ? 3600
                              : unit == "d"               ? 86400
                                                          : 0;
  if (ec != std::errc() || factor == 0 || value < 1) {
    return make_error(Errc::invalid_argument, "--since \"" + text + "\": a time like 30s, 5m, 2h");
  }
  return value * factor;
}

Result<std::string> log_query(const LogsArgs& args) {
  std::string query = "?";
  const auto add = [&query](const char* name, const std::string& value) {
    query.append(query.size() > 1 ? "&" : "").append(name).append("=").append(percent_encode(value));
  };
  if (args.follow) add("follow", "true");
  if (args.previous) add("previous", "true");
  if (args.timestamps) add("timestamps", "true");
  if (args.tail && *args.tail >= 0) add("tailLines", std::to_string(*args.tail));
  if (args.limit_bytes) add("limitBytes", std::to_string(*args.limit_bytes));
  if (!args.since.empty()) {
    TRY(const auto seconds, parse_span(args.since));
    add("sinceSeconds", std::to_string(seconds));
  }
  if (!args.since_time.empty()) add("sinceTime", args.since_time);
  return query.size() > 1 ? query : std::string();
}

}  // namespace

int run_logs(const ClientOptions& options, const LogsArgs& args) {
  const ApiClient client(options.socket);
  const auto query = log_query(args);
  if (!query) return fail(query.error());
  const auto pod = find_pod(client, args.ns, args.pod);
  if (!pod) return fail(pod.error());
  const auto& meta = pod->at("metadata");
  const auto container = args.container.empty() ? default_container(*pod) : args.container;
  const auto target = "/containerLogs/" + percent_encode(meta.value("namespace", "default")) + "/" +
                      percent_encode(meta.value("name", "")) + "/" + percent_encode(container) + *query;
  const auto done = client.stream(target, [](std::string_view piece) {
    std::cout.write(piece.data(), static_cast<std::streamsize>(piece.size())).flush();
    return std::cout.good();
  });
  return done ? 0 : fail(done.error());
}

}  // namespace keelson::agent
