// Keelson's control socket: the node agent's HTTP API on a unix socket that only root may use.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>

#include "agent/server/api.hpp"
#include "agent/server/session.hpp"
#include "base/latch.hpp"
#include "base/task_group.hpp"

namespace keelson::agent {

struct UnixServerOptions {
  std::filesystem::path socket = "/run/keelson/keelson.sock";
  unsigned max_connections = 128;  // more are closed at once
  Nanoseconds patience{};          // clients wait this long at most for answer(); 0: they need not
  SessionLimits limits;
};

class UnixServer {
 public:
  // The node agent's API. `data` must outlive the server.
  UnixServer(Executor executor, ServerData& data, UnixServerOptions options);
  // Another one. `router` must outlive the server.
  UnixServer(Executor executor, const Router& router, UnixServerOptions options);

  // Binds the socket (folder made if missing, a stale socket replaced, mode 0600) and begins to serve. Errors:
  // already_exists when another keelson answers there.
  Result<void> start();
  // There is something to tell: whoever asked before waits until now, or for the options' patience.
  void answer() { ready_.open(); }
  // Removes the socket, ends every connection and waits for them. Does nothing where start() did not succeed.
  Awaitable<void> stop();

 private:
  Result<void> claim_socket();
  Awaitable<void> accept_loop();
  Awaitable<void> serve(asio::local::stream_protocol::socket socket);

  UnixServerOptions options_;
  std::unique_ptr<Api> api_;  // null: the routes are somebody else's
  const Router& router_;
  asio::local::stream_protocol::acceptor acceptor_;
  Latch ready_;
  TaskGroup tasks_;
  std::size_t connections_ = 0;
  bool serving_ = false;
};

}  // namespace keelson::agent
