#include "agent/server/unix_server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <csignal>

#include "agent/server/socket_connection.hpp"
#include "base/files.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

using Socket = asio::local::stream_protocol::socket;
constexpr Milliseconds kAcceptPause{100};

// Only root may use the socket, whatever its file's mode has become.
bool is_root(Socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

// Whether the process that listens on what `socket` is connected to still lives. While a killed daemon's last child has
// not come to its exec, the child holds the socket for it, and the kernel goes on taking connections.
bool listener_lives(Socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) return true;
  return ::kill(peer.pid, 0) == 0 || errno != ESRCH;
}

struct Count {
  explicit Count(std::size_t& c) : counter(c) { ++counter; }
  Count(const Count&) = delete;
  Count& operator=(const Count&) = delete;
  ~Count() { --counter; }
  std::size_t& counter;
};

}  // namespace

UnixServer::UnixServer(Executor executor, ServerData& data, UnixServerOptions options)
    : options_(std::move(options)),
      api_(std::make_unique<Api>(executor, data)),
      router_(api_->router()),
      acceptor_(executor),
      ready_(executor),
      tasks_(executor) {}

UnixServer::UnixServer(Executor executor, const Router& router, UnixServerOptions options)
    : options_(std::move(options)), router_(router), acceptor_(executor), ready_(executor), tasks_(executor) {}

// Removes a socket that nobody listens on any more.
Result<void> UnixServer::claim_socket() {
  if (options_.socket.native().size() >= sizeof(sockaddr_un::sun_path)) {
    return make_error(Errc::invalid_argument, options_.socket.string() + ": too long for the path of a socket");
  }
  CHECK_OK(make_dirs(options_.socket.parent_path(), 0755));
  boost::system::error_code ec;
  Socket probe(acceptor_.get_executor());
  probe.connect(options_.socket.string(), ec);
  if (!ec && listener_lives(probe)) {
    return make_error(Errc::already_exists, "another keelson runs: it answers on " + options_.socket.string());
  }
  return remove_file(options_.socket);
}

Result<void> UnixServer::start() {
  CHECK_OK(claim_socket());
  boost::system::error_code ec;
  const asio::local::stream_protocol::endpoint endpoint(options_.socket.string());
  acceptor_.open(endpoint.protocol(), ec);
  const mode_t old_mask = ::umask(0177);  // never a moment in which others could connect
  if (!ec) acceptor_.bind(endpoint, ec);
  ::umask(old_mask);
  if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return system_error(ec, "listen on " + options_.socket.string());
  serving_ = true;
  tasks_.spawn("control socket", accept_loop());
  return {};
}

Awaitable<void> UnixServer::stop() {
  if (!serving_) co_return;
  serving_ = false;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  if (auto removed = remove_file(options_.socket); !removed) log_warn("control socket", {{"error", removed.error()}});
  tasks_.cancel();
  co_await tasks_.join();
}

Awaitable<void> UnixServer::accept_loop() {
  if (options_.patience > Nanoseconds(0)) co_await ready_.wait_for(options_.patience);
  for (;;) {
    auto [ec, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
    if (ec == asio::error::operation_aborted || !acceptor_.is_open()) co_return;
    if (ec) {
      log_error("control socket: accept failed", {{"error", ec.message()}});
      co_await sleep_for(kAcceptPause);
      continue;
    }
    if (!is_root(socket) || connections_ >= options_.max_connections) {
      log_warn("control socket: connection refused", {{"connections", connections_}});
      continue;
    }
    tasks_.spawn("control session", serve(std::move(socket)));
  }
}

Awaitable<void> UnixServer::serve(Socket socket) {
  const Count count(connections_);
  auto connection = std::make_shared<SocketConnection<Socket>>(std::move(socket));
  const RequestHandler handler = [this](HttpRequest& request, ResponseWriter& response) {
    return answer_by(router_, request, response);
  };
  co_await serve_connection(std::move(connection), handler, options_.limits);
}

}  // namespace keelson::agent
