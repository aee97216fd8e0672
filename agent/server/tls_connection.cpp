#include "agent/server/tls_connection.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "agent/server/tls_context.hpp"

namespace keelson::agent {
namespace {

using Tcp = asio::ip::tcp;

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL: a client that goes away would end the process.
int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const auto n = ::send(socket_of(bio), data, static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

int bio_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const auto n = ::recv(socket_of(bio), data, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO* make_bio(int socket) {
  static BIO_METHOD* const method = [] {
    auto* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_ctrl(m, bio_control);
    return m;
  }();
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace

// One direction's time limit.
struct TlsConnection::Side {
  explicit Side(const Executor& executor) : timer(executor) {}
  asio::steady_timer timer;
  std::uint64_t turn = 0;  // an alarm of an earlier turn does nothing
  bool fired = false;
};

struct TlsConnection::State : std::enable_shared_from_this<State> {
  State(Tcp::socket s, SSL_CTX* context)
      : socket(std::move(s)),
        ssl(SSL_new(context), SSL_free),
        reading(socket.get_executor()),
        writing(socket.get_executor()) {
    boost::system::error_code ignored;
    socket.native_non_blocking(true, ignored);
    BIO* bio = make_bio(socket.native_handle());
    SSL_set_bio(ssl.get(), bio, bio);
    SSL_set_accept_state(ssl.get());
  }

  // Sends close_notify; when the client takes nothing now, as soon as it does.
  void notify_end() {
    if (closed || broken || !SSL_is_init_finished(ssl.get())) return;
    ERR_clear_error();
    const int sent = SSL_shutdown(ssl.get());
    if (sent >= 0) return;
    if (SSL_get_error(ssl.get(), sent) != SSL_ERROR_WANT_WRITE) {
      broken = true;
      return;
    }
    socket.async_wait(Tcp::socket::wait_write, [self = shared_from_this()](const boost::system::error_code& ec) {
      if (!ec) self->notify_end();
    });
  }

  Tcp::socket socket;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl;
  Side reading, writing;
  bool closed = false;
  bool broken = false;  // OpenSSL gave up on it: nothing more may be asked of it
};

// The time limit of one operation, while in scope.
class TlsConnection::Armed {
 public:
  Armed(State& state, Side& side, Nanoseconds limit) : side_(side) {
    side.fired = false;
    if (limit == kNoLimit) return;
    side.timer.expires_after(std::chrono::duration_cast<SteadyTime::duration>(limit));
    side.timer.async_wait(
        [weak = state.weak_from_this(), &side, turn = ++side.turn](const boost::system::error_code& ec) {
          const auto alive = weak.lock();
          if (ec || !alive || turn != side.turn) return;
          side.fired = true;
          boost::system::error_code ignored;
          alive->socket.cancel(ignored);  // the other direction's wait too: it sees that it was not meant
        });
  }
  ~Armed() {
    ++side_.turn;
    side_.timer.cancel();
  }
  Armed(const Armed&) = delete;
  Armed& operator=(const Armed&) = delete;

 private:
  Side& side_;
};

TlsConnection::TlsConnection(Tcp::socket socket, SSL_CTX* context)
    : state_(std::make_shared<State>(std::move(socket), context)) {}

TlsConnection::~TlsConnection() { close(); }

Awaitable<Result<void>> TlsConnection::wait_socket(bool to_read, Side& side, const char* what) {
  for (;;) {
    const auto [ec] = co_await state_->socket.async_wait(to_read ? Tcp::socket::wait_read : Tcp::socket::wait_write,
                                                         asio::as_tuple(asio::use_awaitable));
    if (state_->closed) co_return make_error(Errc::cancelled, what);
    if (!ec) co_return Result<void>();
    if (side.fired) co_return make_error(Errc::deadline_exceeded, std::string(what) + ": the peer was too slow");
    if (ec != asio::error::operation_aborted) co_return system_error(ec, what);
    const auto cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none) co_return make_error(Errc::cancelled, what);
  }
}

// Waits for what OpenSSL lacks after an operation gave `ssl_error`.
Awaitable<Result<void>> TlsConnection::wait_for(int ssl_error, Side& side, const char* what) {
  if (ssl_error == SSL_ERROR_WANT_READ) co_return co_await wait_socket(true, side, what);
  if (ssl_error == SSL_ERROR_WANT_WRITE) co_return co_await wait_socket(false, side, what);
  state_->broken = true;
  if (ssl_error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0) {
    co_return make_error(Errc::io, std::string(what) + ": the peer went away without saying so");
  }
  co_return make_error(Errc::io, std::string(what) + ": " + take_openssl_errors());
}

Awaitable<Result<void>> TlsConnection::handshake(Nanoseconds limit) {
  const Armed armed(*state_, state_->reading, limit);
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(state_->ssl.get());
    if (done == 1) co_return Result<void>();
    CO_CHECK_OK(co_await wait_for(SSL_get_error(state_->ssl.get(), done), state_->reading, "TLS handshake"));
  }
}

ClientCertificates TlsConnection::client_certificates() const {
  ClientCertificates out;
  const auto add = [&out](X509* certificate) {
    unsigned char* der = nullptr;
    const int size = certificate ? i2d_X509(certificate, &der) : 0;
    if (size > 0) out.emplace_back(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  };
  // On the server's side the chain that OpenSSL keeps is without the client's own certificate.
  add(SSL_get0_peer_certificate(state_->ssl.get()));
  const auto* chain = SSL_get_peer_cert_chain(state_->ssl.get());
  for (int i = 0; !out.empty() && i < sk_X509_num(chain); ++i) add(sk_X509_value(chain, i));
  return out;
}

Awaitable<Result<std::size_t>> TlsConnection::read_some(asio::mutable_buffer buffer, Nanoseconds limit) {
  const Armed armed(*state_, state_->reading, limit);
  for (bool waited = false;; waited = true) {
    if (state_->closed || state_->broken) co_return make_error(Errc::cancelled, "read: the connection is closed");
    ERR_clear_error();
    std::size_t n = 0;
    const int ok = SSL_read_ex(state_->ssl.get(), buffer.data(), buffer.size(), &n);
    if (ok == 1) {
      // A fast sender must not keep the loop from everybody else.
      if (!waited) co_await asio::post(state_->socket.get_executor(), asio::use_awaitable);
      co_return n;
    }
    const int why = SSL_get_error(state_->ssl.get(), ok);
    if (why == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
    CO_CHECK_OK(co_await wait_for(why, state_->reading, "read"));
  }
}

Awaitable<Result<void>> TlsConnection::write(std::string_view data, Nanoseconds limit) {
  const Armed armed(*state_, state_->writing, limit);
  while (!data.empty()) {
    if (state_->closed || state_->broken) co_return make_error(Errc::cancelled, "write: the connection is closed");
    ERR_clear_error();
    std::size_t n = 0;
    const int ok = SSL_write_ex(state_->ssl.get(), data.data(), data.size(), &n);
    if (ok == 1) {
      data.remove_prefix(n);
      continue;
    }
    CO_CHECK_OK(co_await wait_for(SSL_get_error(state_->ssl.get(), ok), state_->writing, "write"));
  }
  co_return Result<void>();
}

void TlsConnection::shutdown_write() { state_->notify_end(); }

Awaitable<void> TlsConnection::closed() {
  const Armed armed(*state_, state_->reading, kNoLimit);
  while (!state_->closed && !state_->broken) {
    ERR_clear_error();
    char byte = 0;
    std::size_t n = 0;
    const int ok = SSL_peek_ex(state_->ssl.get(), &byte, 1, &n);
    if (ok == 1) {
      // The peer sends what nobody will read: it waits, and a hang-up shows with the next write.
      asio::steady_timer for_ever(state_->socket.get_executor(), SteadyTime::max());
      co_await for_ever.async_wait(asio::as_tuple(asio::use_awaitable));
      co_return;
    }
    const int why = SSL_get_error(state_->ssl.get(), ok);
    if (why == SSL_ERROR_ZERO_RETURN) co_return;
    const auto waited = co_await wait_for(why, state_->reading, "wait for the peer's end");
    if (!waited) co_return;
  }
}

void TlsConnection::close() {
  if (state_->closed) return;
  state_->notify_end();
  state_->closed = true;
  boost::system::error_code ignored;
  state_->socket.close(ignored);
}

}  // namespace keelson::agent
