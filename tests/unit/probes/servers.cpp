#include "servers.hpp"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace keelson::probes::test {
namespace {

SSL_CTX* self_signed_context() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  auto* name = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>("self-signed");
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_sign(certificate, key, EVP_sha256());
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

// One accepted connection, plain or TLS.
struct Connection {
  int fd;
  SSL* tls = nullptr;
  ~Connection() {
    if (tls) {
      SSL_shutdown(tls);
      SSL_free(tls);
    }
    ::close(fd);
  }
  long read(char* data, int size) const {
    return tls ? SSL_read(tls, data, size) : ::recv(fd, data, static_cast<std::size_t>(size), 0);
  }
  bool write_all(const std::string& text) const {
    for (std::size_t sent = 0; sent < text.size();) {
      const auto left = static_cast<int>(text.size() - sent);
      const long n = tls ? SSL_write(tls, text.data() + sent, left)
                         : ::send(fd, text.data() + sent, static_cast<std::size_t>(left), MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }
};

}  // namespace

RawServer::RawServer(Answer answer, bool tls) : answer_(std::move(answer)) {
  if (tls) tls_ = self_signed_context();
  ::signal(SIGPIPE, SIG_IGN);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0) throw std::runtime_error("no listener");
  ::getsockname(listener_, generic, &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

RawServer::~RawServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  if (tls_) SSL_CTX_free(tls_);
}

void RawServer::serve() {
  while (!stopping_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    Connection connection{fd};
    if (tls_) {
      connection.tls = SSL_new(tls_);
      SSL_set_fd(connection.tls, fd);
      if (SSL_accept(connection.tls) <= 0) continue;
    }
    std::string request;
    char data[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const long n = connection.read(data, sizeof(data));
      if (n <= 0) break;
      request.append(data, static_cast<std::size_t>(n));
      if (request[0] == '\x16') break;  // a TLS ClientHello at a plain server
    }
    {
      const std::lock_guard lock(mutex_);
      last_ = request;
    }
    ++served_;
    connection.write_all(answer_(request));
    pollfd waiting{fd, POLLRDHUP, 0};  // until the client gives up, at most
    if (linger_.load().count() > 0) ::poll(&waiting, 1, static_cast<int>(linger_.load().count()));
  }
}

std::string reply(int status, const std::string& body, const std::string& headers) {
  return "HTTP/1.1 " + std::to_string(status) + " Status\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

}  // namespace keelson::probes::test
