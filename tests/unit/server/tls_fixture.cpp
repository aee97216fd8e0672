#include "tls_fixture.hpp"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>

namespace keelson::agent::test {
namespace {

template <class F>
std::string to_pem(F write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return out;
}

void add_extension(X509* cert, int nid, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
  REQUIRE(extension);
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

void add_name(X509_NAME* name, const char* field, const std::string& value) {
  X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1,
                             0);
}

}  // namespace

std::string KeyAndCert::cert_pem() const {
  return to_pem([&](BIO* bio) { PEM_write_bio_X509(bio, cert.get()); });
}
std::string KeyAndCert::key_pem() const {
  return to_pem([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
}
std::string KeyAndCert::der() const {
  unsigned char* data = nullptr;
  const int size = i2d_X509(cert.get(), &data);
  std::string out(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return out;
}

KeyAndCert make_cert(const CertSpec& spec, const KeyAndCert* issuer) {
  static long serial = 1;
  KeyAndCert out{{EVP_EC_gen("P-256"), EVP_PKEY_free}, {X509_new(), X509_free}};
  X509* x = out.cert.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x), spec.valid_from);
  X509_gmtime_adj(X509_getm_notAfter(x), spec.valid_to);
  X509_NAME* name = X509_get_subject_name(x);
  for (const auto& o : spec.organizations) add_name(name, "O", o);
  if (!spec.common_name.empty()) add_name(name, "CN", spec.common_name);
  X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer->cert.get()) : name);
  X509_set_pubkey(x, out.key.get());
  add_extension(x, NID_basic_constraints, spec.ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!spec.ca) add_extension(x, NID_ext_key_usage, spec.for_clients ? "clientAuth" : "serverAuth");
  REQUIRE(X509_sign(x, issuer ? issuer->key.get() : out.key.get(), EVP_sha256()) > 0);
  return out;
}

TlsClient::TlsClient(std::uint16_t port, const KeyAndCert* own, int max_version)
    : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
  ::signal(SIGPIPE, SIG_IGN);
  if (max_version != 0) SSL_CTX_set_max_proto_version(context_.get(), max_version);
  if (own) {
    SSL_CTX_use_certificate(context_.get(), own->cert.get());
    SSL_CTX_use_PrivateKey(context_.get(), own->key.get());
  }
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  ssl_.reset(SSL_new(context_.get()), SSL_free);
  SSL_set_fd(ssl_.get(), fd_);
  connected_ = SSL_connect(ssl_.get()) == 1;
}

TlsClient::~TlsClient() {
  ssl_.reset();
  ::close(fd_);
}

std::string TlsClient::server_name() const {
  char name[128] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl_.get())), NID_commonName, name,
                            sizeof name);
  return name;
}

void TlsClient::send(const std::string& bytes) {
  CHECK(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size()));
}

void TlsClient::end() { SSL_shutdown(ssl_.get()); }

std::string TlsClient::read_some() {
  char buffer[16384];
  const int n = SSL_read(ssl_.get(), buffer, sizeof buffer);
  return std::string(buffer, static_cast<std::size_t>(std::max(n, 0)));
}

std::string TlsClient::read_all() {
  std::string out;
  for (std::string piece; !(piece = read_some()).empty();) out += piece;
  return out;
}

std::string TlsClient::ask(const std::string& method, const std::string& path, const std::string& headers) {
  send(method + " " + path + " HTTP/1.1\r\nHost: n\r\nConnection: close\r\n" + headers + "\r\n");
  return read_all();
}

Awaitable<Result<std::string>> ScriptedApi::send(kube::ApiRequest request) {
  requests.push_back(std::move(request));
  auto answer = answers.at(std::min(requests.size(), answers.size()) - 1);
  if (delay > Nanoseconds(0)) co_await sleep_for(delay);
  co_return answer;
}

}  // namespace keelson::agent::test
