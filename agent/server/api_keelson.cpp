#include <nlohmann/json.hpp>

#include "agent/server/api.hpp"
#include "agent/server/explain.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

Awaitable<void> send_json(Exchange& x, json document) {
  // A name or message that is not UTF-8 must not make the whole answer fail.
  std::string text = document.dump(-1, ' ', false, json::error_handler_t::replace);
  co_await x.response.send(200, kJson, std::move(text));
}

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

}  // namespace

Awaitable<void> send_error(Exchange& x, Error error) {
  NamedValues headers;
  const int status = status_for(error.code);
  if (status == 429) headers.emplace_back("Retry-After", "1");
  std::string text = error.message + "\n";
  co_await x.response.send(status, kText, std::move(text), std::move(headers));
}

Api::Api(Executor executor, ServerData& data, Face face) : executor_(std::move(executor)), data_(data) {
  data_.on_change([this] { changes_.notify(); });
  add_pods();
  add_logs();
  add_streams();
  add_node();
  add_stats();
  if (face == Face::control) add_keelson();
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
  router_.add("GET", "/keelson/explain", [this](Exchange& x) { return explain(x); });
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
