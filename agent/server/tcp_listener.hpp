// Takes TCP connections, no more than a number at a time, and gives each to a coroutine.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <string>

#include "base/task_group.hpp"

namespace keelson::agent {

class TcpListener {
 public:
  using Serve = std::function<Awaitable<void>(asio::ip::tcp::socket)>;

  // `name`: for the log. More than `max_connections` are closed at once.
  TcpListener(Executor executor, std::string name, unsigned max_connections, Serve serve);

  // Errors: the address cannot be read or bound. Port 0: any that is free. "::" takes IPv4 too.
  Result<void> start(const std::string& address, std::uint16_t port);
  // Ends every connection and waits for them.
  Awaitable<void> stop();
  // The port that is listened on.
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::size_t connections() const { return connections_; }

 private:
  Awaitable<void> accept_loop();
  Awaitable<void> serve_one(asio::ip::tcp::socket socket);
  void note_full();

  std::string name_;
  std::size_t max_connections_;
  Serve serve_;
  asio::ip::tcp::acceptor acceptor_;
  TaskGroup tasks_;
  std::size_t connections_ = 0;
  bool full_ = false;  // said so in the log
};

}  // namespace keelson::agent
