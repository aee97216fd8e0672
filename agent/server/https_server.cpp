#include "agent/server/https_server.hpp"

#include "agent/server/socket_connection.hpp"
#include "agent/server/tls_connection.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

using Tcp = asio::ip::tcp;
constexpr unsigned kHealthConnections = 64;

}  // namespace

HttpsServer::HttpsServer(Executor executor, Api& api, Authenticator& authenticator, Authorizer& authorizer,
                         HttpsOptions options)
    : api_(api),
      authenticator_(authenticator),
      authorizer_(authorizer),
      options_(std::move(options)),
      certificate_(options_.cert_file, options_.key_file, options_.tls),
      listener_(executor, "kubelet API", options_.max_connections,
                [this](Tcp::socket socket) { return serve(std::move(socket)); }) {}

Result<void> HttpsServer::start() {
  // A certificate may still be on its way; a policy that cannot be met will not get better.
  const auto context = certificate_.context();
  if (!context && context.error().code == Errc::invalid_argument) return context.error();
  return listener_.start(options_.address, options_.port);
}

Awaitable<void> HttpsServer::serve(Tcp::socket socket) {
  auto context = certificate_.context();
  if (!context) co_return;
  const auto connection = std::make_shared<TlsConnection>(std::move(socket), context->get());
  const auto greeted = co_await connection->handshake(options_.handshake);
  if (!greeted) {
    log_debug("kubelet API: connection refused", {{"error", greeted.error()}});
    co_return;
  }
  const auto certificates = connection->client_certificates();
  const RequestHandler handler = [this, &certificates](HttpRequest& request, ResponseWriter& response) {
    return answer(request, response, certificates);
  };
  co_await serve_connection(connection, handler, options_.limits);
}

Awaitable<void> HttpsServer::answer(HttpRequest& request, ResponseWriter& response,
                                    const ClientCertificates& certificates) {
  api_.count(request);
  auto user = co_await authenticator_.authenticate(request, certificates);
  if (!user) {
    std::string text = "Unauthorized";
    co_await response.send(401, kText, std::move(text));
    co_return;
  }
  auto access = node_access(request.method, request.path);
  auto refusal = co_await authorizer_.check(std::move(*user), std::move(access));
  if (refusal) {
    co_await response.send(refusal->status, kText, std::move(refusal->text));
    co_return;
  }
  co_await answer_by(api_.router(), request, response);
}

HealthServer::HealthServer(Executor executor, Api& api)
    : api_(api), listener_(executor, "health endpoint", kHealthConnections, [this](Tcp::socket socket) {
        return serve(std::move(socket));
      }) {}

Result<void> HealthServer::start(const std::string& address, std::uint16_t port) {
  return listener_.start(address, port);
}

Awaitable<void> HealthServer::serve(Tcp::socket socket) {
  const auto connection = std::make_shared<SocketConnection<Tcp::socket>>(std::move(socket));
  const RequestHandler handler = [this](HttpRequest& request, ResponseWriter& response) {
    return answer(request, response);
  };
  SessionLimits limits;
  limits.max_body_bytes = 0;
  limits.max_header_bytes = 16 * 1024;
  co_await serve_connection(connection, handler, limits);
}

Awaitable<void> HealthServer::answer(HttpRequest& request, ResponseWriter& response) {
  if (request.path == "/healthz" || request.path.starts_with("/healthz/")) {
    co_return co_await answer_by(api_.router(), request, response);
  }
  std::string text = "404 page not found\n";
  co_await response.send(404, kText, std::move(text));
}

}  // namespace keelson::agent
