// Connection over TLS, the server's side. OpenSSL works on the socket itself, and waits are Asio's: so reading, writing
// and the end of each direction are independent of each other, and no stream adapter's buffers are kept.
#pragma once

#include <openssl/types.h>

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <vector>

#include "agent/server/connection.hpp"

namespace keelson::agent {

// What the client showed, DER, its own certificate first; empty when it showed none. Nobody has checked it yet, except
// that the client holds the first one's key.
using ClientCertificates = std::vector<std::string>;

class TlsConnection final : public Connection {
 public:
  TlsConnection(asio::ip::tcp::socket socket, SSL_CTX* context);
  ~TlsConnection() override;

  // Once, before anything else. Errors: deadline_exceeded, cancelled, io (with the reason).
  Awaitable<Result<void>> handshake(Nanoseconds limit);
  [[nodiscard]] ClientCertificates client_certificates() const;

  Awaitable<Result<std::size_t>> read_some(asio::mutable_buffer buffer, Nanoseconds limit) override;
  Awaitable<Result<void>> write(std::string_view data, Nanoseconds limit) override;
  // Sends close_notify.
  void shutdown_write() override;
  Awaitable<void> closed() override;
  void close() override;

 private:
  struct State;
  struct Side;
  class Armed;
  Awaitable<Result<void>> wait_for(int ssl_error, Side& side, const char* what);
  Awaitable<Result<void>> wait_socket(bool to_read, Side& side, const char* what);

  std::shared_ptr<State> state_;
};

}  // namespace keelson::agent
