// HTTP without TLS and without questions of who asks, on a TCP address: health and metrics.
#pragma once

#include "agent/server/session.hpp"
#include "agent/server/tcp_listener.hpp"

namespace keelson::agent {

class TcpServer {
 public:
  // `name`: for the log. More than `max_connections` are closed at once; a connection is held open for 30 s of silence.
  TcpServer(Executor executor, std::string name, unsigned max_connections, RequestHandler handler);

  // As TcpListener::start(); may be tried again after an error.
  Result<void> start(const std::string& address, std::uint16_t port) { return listener_.start(address, port); }
  Awaitable<void> stop() { return listener_.stop(); }
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  Awaitable<void> serve(asio::ip::tcp::socket socket);

  RequestHandler handler_;
  TcpListener listener_;
};

}  // namespace keelson::agent
