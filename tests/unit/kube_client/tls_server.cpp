#include "tls_server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/clock.hpp"
#include "base/strings.hpp"
#include "kube/client/credentials.hpp"

namespace keelson::kube::test {
namespace {

namespace http = boost::beast::http;

std::string client_name(TlsStream& stream) {
  X509* certificate = SSL_get1_peer_certificate(stream.native_handle());
  if (!certificate) return {};
  char name[256] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
  X509_free(certificate);
  return name;
}

}  // namespace

Identity make_identity(const std::string& common_name, const std::vector<std::string>& dns,
                       const std::vector<std::string>& ips) {
  Identity identity;
  identity.key = make_private_key();
  identity.certificate =
      *make_self_signed(identity.key, {common_name, {}}, {dns, ips}, system_clock().now(), Seconds(3600));
  return identity;
}

TlsServer::TlsServer(const Executor& executor, const Identity& identity, Handler handler)
    : context_(asio::ssl::context::tls_server),
      acceptor_(executor, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
      handler_(std::move(handler)),
      tasks_(executor) {
  context_.use_certificate_chain(asio::buffer(identity.certificate));
  context_.use_private_key(asio::buffer(identity.key), asio::ssl::context::pem);
  context_.set_verify_mode(asio::ssl::verify_peer);
  context_.set_verify_callback([](bool, asio::ssl::verify_context&) { return true; });
  tasks_.spawn("accept", accept());
}

TlsServer::~TlsServer() = default;

std::string TlsServer::url(const std::string& host) const {
  return "https://" + host + ":" + std::to_string(acceptor_.local_endpoint().port());
}

Awaitable<void> TlsServer::accept() {
  for (;;) {
    asio::ip::tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
    tasks_.spawn("connection", serve(std::move(socket), ++connections));
  }
}

Awaitable<void> TlsServer::serve(asio::ip::tcp::socket socket, int number) {
  const auto stream = std::make_shared<TlsStream>(std::move(socket), context_);
  const auto [refused] =
      co_await stream->async_handshake(asio::ssl::stream_base::server, asio::as_tuple(asio::use_awaitable));
  if (refused) co_return;
  boost::beast::flat_buffer buffer;
  for (;;) {
    http::request<http::string_body> request;
    const auto [error, size] = co_await http::async_read(*stream, buffer, request, asio::as_tuple(asio::use_awaitable));
    static_cast<void>(size);
    if (error) {
      ++closed;
      co_return;
    }
    Asked seen{std::string(request.method_string()),
               std::string(request.target()),
               request.body(),
               {},
               client_name(*stream),
               number};
    for (const auto& field : request)
      seen.headers[to_lower(std::string(field.name_string()))] = std::string(field.value());
    asked.push_back(seen);
    last_ = stream;
    const std::string answer = handler_(seen);
    if (answer.empty()) continue;
    co_await asio::async_write(*stream, asio::buffer(answer), asio::as_tuple(asio::use_awaitable));
  }
}

void TlsServer::push(const std::string& text) {
  auto kept = std::make_shared<std::string>(text);
  asio::async_write(*last_, asio::buffer(*kept), [kept, stream = last_](const auto&, std::size_t) {});
}

void TlsServer::hang_up() {
  boost::system::error_code ignored;
  last_->next_layer().close(ignored);
}

std::string reply(int status, const std::string& body, const std::string& headers) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers +
         "\r\n" + body;
}

std::string chunked_head() {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
}

std::string chunk(const std::string& text) {
  char size[20];
  std::snprintf(size, sizeof(size), "%zx", text.size());
  return std::string(size) + "\r\n" + text + "\r\n";
}

}  // namespace keelson::kube::test
