// The agent's end of the shim's socket: accepts root's connections, one operation each, and hands them to the Manager.
// Runs on the loop. A client that hangs up aborts its ADD, CHECK, GC or STATUS; a DEL goes on.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "base/task_group.hpp"
#include "cni/manager.hpp"
#include "cni/protocol.hpp"

namespace keelson::cni {

struct ServerOptions {
  std::filesystem::path socket = "/run/keelson/cni.sock";
  unsigned max_connections = 512;      // more are closed at once: the shim tries again
  Milliseconds request_timeout{5000};  // for the client to send its whole request
};

class Server {
 public:
  // `manager` must outlive the server.
  Server(const Executor& executor, Manager& manager, ServerOptions options);

  // Binds the socket (folder made if missing, a stale socket replaced, mode 0600) and begins to serve.
  Result<void> start();
  // Removes the socket, ends every connection and waits for them.
  Awaitable<void> stop();

 private:
  struct Session;
  Awaitable<void> accept_loop();
  Awaitable<void> serve(std::shared_ptr<Session> session);
  Awaitable<void> answer(std::shared_ptr<Session> session, ShimRequest request);

  Manager& manager_;
  ServerOptions options_;
  asio::local::stream_protocol::acceptor acceptor_;
  TaskGroup tasks_;
  std::set<std::shared_ptr<Session>> sessions_;
};

// Performs one request of the shim; the reply's stdout is the result or the error object. Also called by tests.
Awaitable<ShimReply> handle_request(Manager& manager, ShimRequest request);

}  // namespace keelson::cni
