// HttpClient: HTTP exchanges with one server under one TLS identity. HTTP/2 where the server has it: then one
// connection carries every exchange, watches and all. New certificates make a new HttpClient (client.hpp).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/async.hpp"

namespace keelson::kube {

class CurlMulti;
struct HttpExchangeState;  // http.cpp
struct HttpClientShared;

struct TlsSettings {
  std::string ca_pem;           // empty: the system's authorities
  std::string certificate_pem;  // of the client, its chain after it; or empty
  std::string key_pem;
  bool insecure = false;    // the server's certificate is not looked at
  std::string server_name;  // the name it must carry, where not the URL's host
  std::string proxy_url;    // empty: as the environment says
  bool operator==(const TlsSettings&) const = default;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string body;                  // sent where the method is not GET
};

struct HttpHead {
  int status = 0;
  std::string retry_after;  // the header's value, or empty
};

// An exchange under way. Destroying it ends it at once: with HTTP/2 its stream is reset, the connection stays.
class HttpExchange {
 public:
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  // Waits for the answer's status and header. unavailable when there is none (no connection, TLS refused, cut), naming
  // the cause; deadline_exceeded when `deadline` passed first.
  Awaitable<Result<HttpHead>> head(SteadyTime deadline);
  // Waits for more of the body and returns what has come since the last call; empty at its end. Errors as head().
  Awaitable<Result<std::string>> read(SteadyTime deadline);

 private:
  friend class HttpClient;
  explicit HttpExchange(std::unique_ptr<HttpExchangeState> state);
  std::unique_ptr<HttpExchangeState> state_;
};

class HttpClient {
 public:
  HttpClient(const Executor& executor, TlsSettings tls);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Begins an exchange. It may outlive the client; its connection then closes with it.
  [[nodiscard]] std::unique_ptr<HttpExchange> start(HttpRequest request);

  [[nodiscard]] const TlsSettings& tls() const { return tls_; }
  // When anything was last received from the server, or when this client was made.
  [[nodiscard]] SteadyTime last_received() const;
  // Ends every exchange with unavailable, "WHY"; start() must not be called after it.
  void abort(const std::string& why);

 private:
  Executor executor_;
  TlsSettings tls_;
  std::shared_ptr<CurlMulti> multi_;
  std::shared_ptr<HttpClientShared> shared_;  // with the exchanges
};

}  // namespace keelson::kube
