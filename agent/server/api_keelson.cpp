#include <nlohmann/json.hpp>

#include "agent/server/api.hpp"
#include "agent/server/explain.hpp"
#include "agent/server/json_answer.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

int status_for(Errc code) {
  switch (code) {
    case Errc::not_found:
      return 404;
    case Errc::invalid_argument:
      return 400;
    case Errc::resource_exhausted:
      return 429;
    default:
      return 500;
  }
}

Awaitable<void> send_disabled(Exchange& x, std::string_view reason) {
  std::string text = std::string(reason) + "\n";
  co_await x.response.send(405, kText, std::move(text));
}

}  // namespace

Awaitable<void> send_error(Exchange& x, Error error) {
  NamedValues headers;
  const int status = status_for(error.code);
  if (status == 429) headers.emplace_back("Retry-After", "1");
  std::string text = error.message + "\n";
  co_await x.response.send(status, kText, std::move(text), std::move(headers));
}

Api::Api(Executor executor, ServerData& data, Face face, DebugHandlers handlers)
    : executor_(std::move(executor)), data_(data) {
  data_.on_change([this] { changes_.notify(); });
  add_pods();
  add_node();
  add_stats();
  add_debugging(handlers);
  if (face == Face::control) add_keelson();
}

// What upstream serves only where enableDebuggingHandlers says so, although most of it is for kubectl.
void Api::add_debugging(const DebugHandlers& handlers) {
  if (!handlers.debugging) {
    for (const char* path :
         {"/run", "/exec", "/attach", "/portForward", "/containerLogs", "/runningpods", "/debug/pprof", "/logs"}) {
      add_disabled(path, "Debug endpoints are disabled.");
    }
    return;
  }
  add_running_pods();
  add_logs();
  add_streams();
  add_config();
  add_disabled("/debug/pprof", "profiling endpoint is disabled.");  // there is no Go runtime to profile
  if (handlers.system_log) {
    add_node_log();
  } else {
    add_disabled("/logs", "logs endpoint is disabled.");
  }
  if (handlers.debug_flags) {
    router_.add("PUT", "/debug/flags/v", [this](Exchange& x) { return set_verbosity(x); });
  } else {
    add_disabled("/debug/flags/v", "flags endpoint is disabled.");
  }
}

void Api::add_disabled(std::string_view path, std::string_view reason) {
  router_.add("GET,POST,PUT,PATCH,DELETE,OPTIONS", std::string(path) + "/{path...}",
              [reason](Exchange& x) { return send_disabled(x, reason); });
}

void Api::count(const HttpRequest& request) {
  // The parser knows some dozens of methods; only those that the API has get a label of their own.
  const bool known = request.method == "GET" || request.method == "POST" || request.method == "HEAD" ||
                     request.method == "PUT" || request.method == "PATCH" || request.method == "DELETE";
  ++counters_[{known ? request.method : "other", path_kind(request.path)}];
}

void Api::add_keelson() {
  router_.add("GET", "/keelson/version", [](Exchange& x) { return send_json(x, {{"version", KEELSON_VERSION}}); });
  router_.add("GET", "/keelson/status", [this](Exchange& x) { return send_json(x, data_.status()); });
  router_.add("GET", "/keelson/services", [this](Exchange& x) { return send_json(x, data_.services()); });
  router_.add("GET", "/keelson/workloads", [this](Exchange& x) { return send_json(x, data_.workloads()); });
  router_.add("GET", "/keelson/problems", [this](Exchange& x) { return send_json(x, data_.problems()); });
  router_.add("GET", "/keelson/explain/service", [this](Exchange& x) { return explain_service(x); });
  router_.add("GET", "/keelson/explain", [this](Exchange& x) { return explain(x); });
}

Awaitable<void> Api::explain_service(Exchange& x) {
  std::string ns = x.request.param("ns").value_or(""), name = x.request.param("name").value_or("");
  json document = co_await data_.explain_service(std::move(ns), std::move(name));
  co_await send_json(x, document);
}

Awaitable<void> Api::explain(Exchange& x) {
  const auto name = x.request.param("name").value_or("");
  if (name.empty()) {
    Error error = make_error(Errc::invalid_argument, "query parameter \"name\" is required");
    co_return co_await send_error(x, std::move(error));
  }
  co_await send_json(x, explain_json(data_, x.request.param("ns").value_or(""), name));
}

}  // namespace keelson::agent
