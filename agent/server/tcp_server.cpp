#include "agent/server/tcp_server.hpp"

#include "agent/server/socket_connection.hpp"

namespace keelson::agent {

using Tcp = asio::ip::tcp;

TcpServer::TcpServer(Executor executor, std::string name, unsigned max_connections, RequestHandler handler)
    : handler_(std::move(handler)), listener_(executor, std::move(name), max_connections, [this](Tcp::socket socket) {
        return serve(std::move(socket));
      }) {}

Awaitable<void> TcpServer::serve(Tcp::socket socket) {
  const auto connection = std::make_shared<SocketConnection<Tcp::socket>>(std::move(socket));
  SessionLimits limits;
  limits.max_body_bytes = 0;
  limits.max_header_bytes = 16 * 1024;
  limits.idle = Seconds(30);
  co_await serve_connection(connection, handler_, limits);
}

}  // namespace keelson::agent
