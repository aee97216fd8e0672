#include "cni/server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/files.hpp"
#include "base/log.hpp"

namespace keelson::cni {
namespace {

using Socket = asio::local::stream_protocol::socket;
constexpr Milliseconds kAcceptPause{100};

// Only root may use the socket, whatever its file's mode has become.
bool is_root(Socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

}  // namespace

struct Server::Session {
  Session(const Executor& executor, Socket s) : socket(std::move(s)), timer(executor), work(executor) {}
  Socket socket;
  asio::steady_timer timer;  // closes a connection whose request does not come
  TaskGroup work;
};

Server::Server(const Executor& executor, Manager& manager, ServerOptions options)
    : manager_(manager), options_(std::move(options)), acceptor_(executor), tasks_(executor) {}

Result<void> Server::start() {
  CHECK_OK(make_dirs(options_.socket.parent_path(), 0755));
  CHECK_OK(remove_file(options_.socket));
  boost::system::error_code ec;
  const asio::local::stream_protocol::endpoint endpoint(options_.socket.string());
  acceptor_.open(endpoint.protocol(), ec);
  const mode_t old_mask = ::umask(0177);  // never a moment in which others could connect
  if (!ec) acceptor_.bind(endpoint, ec);
  ::umask(old_mask);
  if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return system_error(ec, "listen on " + options_.socket.string());
  tasks_.spawn("CNI server", accept_loop());
  return {};
}

Awaitable<void> Server::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  if (auto removed = remove_file(options_.socket); !removed) log_warn("CNI socket", {{"error", removed.error()}});
  const auto open = sessions_;
  tasks_.cancel();
  for (const auto& session : open) {
    session->work.cancel();
    co_await session->work.join();
  }
  co_await tasks_.join();
}

Awaitable<void> Server::accept_loop() {
  for (;;) {
    auto [ec, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
    if (ec == asio::error::operation_aborted || !acceptor_.is_open()) co_return;
    if (ec) {
      log_error("CNI socket: accept failed", {{"error", ec.message()}});
      co_await sleep_for(kAcceptPause);
      continue;
    }
    if (!is_root(socket) || sessions_.size() >= options_.max_connections) {
      log_warn("CNI socket: connection refused", {{"connections", sessions_.size()}});
      continue;
    }
    auto session = std::make_shared<Session>(acceptor_.get_executor(), std::move(socket));
    sessions_.insert(session);
    tasks_.spawn("CNI session", serve(std::move(session)));
  }
}

namespace {

// One message; the error says what is wrong with it.
Awaitable<Result<std::string>> read_message(Socket& socket) {
  std::string header(kLengthBytes, '\0');
  const auto [header_ec, header_n] =
      co_await asio::async_read(socket, asio::buffer(header), asio::as_tuple(asio::use_awaitable));
  if (header_ec) co_return system_error(header_ec, "read");
  const auto length = frame_length(header);
  if (!length) co_return length.error();
  std::string payload(*length, '\0');
  const auto [ec, n] = co_await asio::async_read(socket, asio::buffer(payload), asio::as_tuple(asio::use_awaitable));
  if (ec) co_return system_error(ec, "read");
  co_return payload;
}

// Closes the session and ends its work, whichever way serve() is left.
template <class Session>
struct SessionGuard {
  std::set<std::shared_ptr<Session>>& all;
  std::shared_ptr<Session> session;
  ~SessionGuard() {
    boost::system::error_code ignored;
    session->timer.cancel();
    session->work.cancel();
    session->socket.close(ignored);
    all.erase(session);
  }
};

}  // namespace

Awaitable<void> Server::serve(std::shared_ptr<Session> session) {
  const SessionGuard<Session> guard{sessions_, session};
  session->timer.expires_after(options_.request_timeout);
  session->timer.async_wait([session](const boost::system::error_code& ec) {
    boost::system::error_code ignored;
    if (!ec) session->socket.shutdown(Socket::shutdown_both, ignored);
  });
  auto payload = co_await read_message(session->socket);
  session->timer.cancel();
  if (!payload) {
    log_warn("CNI socket: no request", {{"error", payload.error()}});
    co_return;
  }
  auto request = decode_request(*payload);
  if (!request) {
    log_error("CNI socket: bad request", {{"error", request.error()}});
    ShimReply reply;
    reply.exit_code = 1;
    reply.stdout_data = render_error(CniError(code::kInternal, request.error().message), "1.0.0");
    const std::string bytes = frame(encode(reply));
    co_await asio::async_write(session->socket, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
    co_return;
  }
  session->work.spawn("CNI request", answer(session, std::move(*request)));
  // The client says no more: this read ends when it hangs up, or when answer() has shut the connection down.
  char byte = 0;
  co_await session->socket.async_read_some(asio::buffer(&byte, 1), asio::as_tuple(asio::use_awaitable));
  session->work.cancel();
  co_await session->work.join();
}

Awaitable<void> Server::answer(std::shared_ptr<Session> session, ShimRequest request) {
  ShimReply reply = co_await handle_request(manager_, std::move(request));
  const std::string bytes = frame(encode(reply));
  co_await asio::async_write(session->socket, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
  boost::system::error_code ignored;
  session->socket.shutdown(Socket::shutdown_both, ignored);
}

}  // namespace keelson::cni
