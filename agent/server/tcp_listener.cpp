#include "agent/server/tcp_listener.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"

namespace keelson::agent {
namespace {

using Tcp = asio::ip::tcp;
constexpr Milliseconds kAcceptPause{100};

struct Count {
  explicit Count(std::size_t& c) : counter(c) { ++counter; }
  Count(const Count&) = delete;
  Count& operator=(const Count&) = delete;
  ~Count() { --counter; }
  std::size_t& counter;
};

}  // namespace

TcpListener::TcpListener(Executor executor, std::string name, unsigned max_connections, Serve serve)
    : name_(std::move(name)),
      max_connections_(max_connections),
      serve_(std::move(serve)),
      acceptor_(executor),
      tasks_(executor) {}

Result<void> TcpListener::start(const std::string& address, std::uint16_t port) {
  const std::string where = name_ + ": listen on " + address + " port " + std::to_string(port);
  boost::system::error_code ec;
  const Tcp::endpoint endpoint(asio::ip::make_address(address, ec), port);
  if (ec) return make_error(Errc::invalid_argument, where + ": not an IP address");
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(Tcp::acceptor::reuse_address(true), ec);
  if (!ec && endpoint.address().is_v6())
    acceptor_.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    return system_error(ec, where);
  }
  tasks_.spawn(name_, accept_loop());
  return {};
}

Awaitable<void> TcpListener::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  tasks_.cancel();
  co_await tasks_.join();
}

std::uint16_t TcpListener::port() const {
  boost::system::error_code ignored;
  return acceptor_.local_endpoint(ignored).port();
}

// Once for each time that it gets full: whoever makes many connections must not fill the log as well.
void TcpListener::note_full() {
  if (!full_) log_warn(name_ + ": connections refused", {{"connections", connections_}});
  full_ = true;
}

Awaitable<void> TcpListener::accept_loop() {
  for (;;) {
    auto [ec, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
    if (ec == asio::error::operation_aborted || !acceptor_.is_open()) co_return;
    if (ec) {
      log_error(name_ + ": accept failed", {{"error", ec.message()}});
      co_await sleep_for(kAcceptPause);
      continue;
    }
    if (connections_ >= max_connections_) {
      note_full();
      continue;
    }
    boost::system::error_code ignored;
    socket.set_option(Tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    tasks_.spawn(name_ + " session", serve_one(std::move(socket)));
  }
}

Awaitable<void> TcpListener::serve_one(Tcp::socket socket) {
  const Count count(connections_);
  co_await serve_(std::move(socket));
  if (connections_ < max_connections_ / 2) full_ = false;
}

}  // namespace keelson::agent
