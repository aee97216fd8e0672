#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/api_client.hpp"
#include "agent/cli/commands.hpp"
#include "agent/cli/explain_service_text.hpp"
#include "agent/cli/explain_text.hpp"
#include "agent/server/http.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

int run_explain(const ClientOptions& options, const std::string& ns, const std::string& subject) {
  const ApiClient client(options.socket);
  const auto document =
      client.get_json("/keelson/explain?name=" + percent_encode(subject) + "&ns=" + percent_encode(ns));
  if (!document) return fail(document.error());
  const auto text = explain_text(*document, system_clock().now());
  if (explains_something(*document)) {
    std::cout << text;
    return 0;
  }
  std::cerr << text;
  return 1;
}

int run_explain_service(const ClientOptions& options, const std::string& ns, const std::string& name) {
  const auto document =
      ApiClient(options.socket)
          .get_json("/keelson/explain/service?name=" + percent_encode(name) + "&ns=" + percent_encode(ns));
  if (!document) return fail(document.error());
  const bool found = explains_service(*document);
  (found ? std::cout : std::cerr) << explain_service_text(*document);
  return found ? 0 : 1;
}

int run_status(const ClientOptions& options, const std::string& output) {
  const auto status = ApiClient(options.socket).get_json("/keelson/status");
  if (!status) return fail(status.error());
  std::cout << (output == "json" ? status->dump(2) + "\n" : status_text(*status));
  return 0;
}

int run_version(const ClientOptions& options) {
  std::cout << "keelson " KEELSON_VERSION "\n";
  // Without a daemon the client's own version is the whole answer.
  const auto status = ApiClient(options.socket).get_json("/keelson/status");
  if (!status) return 0;
  const auto& runtime = (*status)["runtime"];
  std::cout << "daemon  " << status->value("version", "") << " on " << status->value("node", "") << "\n";
  if (!runtime.value("name", "").empty()) {
    std::cout << "runtime " << runtime.value("name", "") << " " << runtime.value("version", "") << "\n";
  }
  return 0;
}

}  // namespace keelson::agent
