// The kubelet's HTTPS API, port 10250: TLS, then who it is and whether they may, then the routes; and the health
// endpoint that anybody on this machine may ask, port 10248.
//   TcpListener -> TlsConnection -> serve_connection -> Authenticator -> Authorizer -> Api
// After upstream's pkg/kubelet/server/server.go ListenAndServeKubeletServer, InstallAuthFilter.
#pragma once

#include "agent/server/api.hpp"
#include "agent/server/authentication.hpp"
#include "agent/server/authorization.hpp"
#include "agent/server/session.hpp"
#include "agent/server/tcp_listener.hpp"
#include "agent/server/tls_context.hpp"

namespace keelson::agent {

struct HttpsOptions {
  std::string address = "0.0.0.0";
  std::uint16_t port = 10250;
  // tlsCertFile and tlsPrivateKeyFile, PEM, which may be one file. They may change, and may come after the start:
  // until then connections are closed.
  std::filesystem::path cert_file, key_file;
  TlsPolicy tls;
  unsigned max_connections = 1024;  // more are closed at once
  Nanoseconds handshake = std::chrono::seconds(10);
  // A client that is not known yet may make us keep this much.
  SessionLimits limits = {.max_header_bytes = 64 * 1024, .max_body_bytes = 16 * 1024};
};

class HttpsServer {
 public:
  // `api` (of Face::kubelet), `authenticator` and `authorizer` must outlive this.
  HttpsServer(Executor executor, Api& api, Authenticator& authenticator, Authorizer& authorizer, HttpsOptions options);

  // Begins to serve. Errors: the address cannot be bound; the TLS policy cannot be met.
  Result<void> start();
  // Ends every connection and waits for them. The authenticator and the authorizer are to be stopped after.
  Awaitable<void> stop() { return listener_.stop(); }
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  Awaitable<void> serve(asio::ip::tcp::socket socket);
  Awaitable<void> answer(HttpRequest& request, ResponseWriter& response, const ClientCertificates& certificates);

  Api& api_;
  Authenticator& authenticator_;
  Authorizer& authorizer_;
  HttpsOptions options_;
  ServingCertificate certificate_;
  TcpListener listener_;
};

// Plain HTTP, /healthz and what is below it only, for everybody who can connect.
class HealthServer {
 public:
  // `api` must outlive this.
  HealthServer(Executor executor, Api& api);
  Result<void> start(const std::string& address = "127.0.0.1", std::uint16_t port = 10248);
  Awaitable<void> stop() { return listener_.stop(); }
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  Awaitable<void> serve(asio::ip::tcp::socket socket);
  Awaitable<void> answer(HttpRequest& request, ResponseWriter& response);

  Api& api_;
  TcpListener listener_;
};

}  // namespace keelson::agent
