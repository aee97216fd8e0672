// The client's end of the control socket: plain blocking HTTP/1.1, one request a connection.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {

struct HttpReply {
  int status = 0;
  std::string body;
};

class ApiClient {
 public:
  explicit ApiClient(std::string socket) : socket_(std::move(socket)) {}

  // Errors: unavailable when no daemon answers.
  [[nodiscard]] Result<HttpReply> get(const std::string& target) const;
  // The document of a 200; other answers are errors with their text.
  [[nodiscard]] Result<nlohmann::json> get_json(const std::string& target) const;
  // Calls `sink` with each piece of the body as it comes, until its end or until `sink` returns false.
  [[nodiscard]] Result<void> stream(const std::string& target, const std::function<bool(std::string_view)>& sink) const;

  // A connection to the daemon, for upgraded requests.
  [[nodiscard]] Result<UniqueFd> connect() const;

 private:
  std::string socket_;
};

// A document as a success. Needed where a bare one would also convert to an Error.
[[nodiscard]] Result<nlohmann::json> json_result(nlohmann::json document);

// A pod as `name` tells: "NAME" or "NS/NAME". Without a namespace, "default" comes first, then the only one elsewhere.
// Errors: not_found, or invalid_argument for a name that several namespaces have.
[[nodiscard]] Result<nlohmann::json> find_pod(const ApiClient& client, const std::string& ns, const std::string& name);
// The pure part: among the items of a PodList.
[[nodiscard]] Result<nlohmann::json> choose_pod(const nlohmann::json& items, const std::string& ns,
                                                const std::string& name);
// The container meant where none is named: the annotation kubectl.kubernetes.io/default-container, or the first.
[[nodiscard]] std::string default_container(const nlohmann::json& pod);

// Prints "keelson: message" on stderr and returns 1.
int fail(const Error& error);

}  // namespace keelson::agent
