// What a handler sees of HTTP: a request as plain values, and a writer for the answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/server/connection.hpp"

namespace keelson::agent {

using NamedValues = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string path;     // as sent, still percent-encoded
  std::string query;    // as sent, without "?"
  NamedValues params;   // of the query, decoded
  NamedValues headers;  // in the order sent
  std::string body;
  bool keep_alive = true;
  std::string unread;  // what the client sent beyond this request: for upgraded connections

  // The first value of a query parameter, or nothing.
  [[nodiscard]] std::optional<std::string> param(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> params_named(std::string_view name) const;
  // Whether a flag of the query is set: "1", "true" (as Go's ParseBool).
  [[nodiscard]] bool flag(std::string_view name) const;
  // The first header of that name in any case; empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  // Whether the client asks to upgrade the connection.
  [[nodiscard]] bool wants_upgrade() const;
};

// "%2Fa+b" -> "/a b" (plus only with `plus_is_space`, in queries). Nothing when an escape is broken.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
[[nodiscard]] std::string percent_encode(std::string_view text);
// The pairs of a query string; a broken escape is kept as it stands.
[[nodiscard]] NamedValues parse_query(std::string_view query);

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kText = "text/plain; charset=utf-8";

// Writes one answer: send() at once, or start(), write()..., finish() for one of unknown length, or nothing, after
// take_over(): then the handler speaks with the client itself.
class ResponseWriter {
 public:
  ResponseWriter(Connection& connection, Nanoseconds write_limit, bool keep_alive, bool head_only)
      : connection_(connection), limit_(write_limit), keep_alive_(keep_alive), head_only_(head_only) {}

  Awaitable<Result<void>> send(int status, std::string_view content_type, std::string body, NamedValues headers = {});
  Awaitable<Result<void>> start(int status, std::string_view content_type);
  // One chunk; an empty one is skipped.
  Awaitable<Result<void>> write(std::string data);
  Awaitable<Result<void>> finish();
  Connection& take_over() {
    taken_over_ = answered_ = true;
    return connection_;
  }
  // Returns when the client has hung up.
  Awaitable<void> client_gone() { return connection_.closed(); }

  [[nodiscard]] bool answered() const { return answered_; }
  // Whether the next request may come over this connection.
  [[nodiscard]] bool reusable() const { return keep_alive_ && !taken_over_ && complete_; }

 private:
  Awaitable<Result<void>> put(std::string_view bytes);
  Connection& connection_;
  Nanoseconds limit_;
  bool keep_alive_;
  bool head_only_;
  bool answered_ = false;
  bool complete_ = false;
  bool taken_over_ = false;
  bool broken_ = false;  // a write failed half-way: whatever followed would be taken for its rest
};

}  // namespace keelson::agent
