// Certificates made on the spot, a blocking TLS client, and an API server that answers as it is told.
#pragma once

#include <openssl/ssl.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "kube/client/api.hpp"

namespace keelson::agent::test {

struct KeyAndCert {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> cert;
  [[nodiscard]] std::string cert_pem() const;
  [[nodiscard]] std::string key_pem() const;
  [[nodiscard]] std::string der() const;
};

struct CertSpec {
  std::string common_name;
  std::vector<std::string> organizations;
  bool ca = false;
  bool for_clients = true;  // else for servers only
  long valid_from = -3600;  // seconds from now
  long valid_to = 3600;
};

// Signed by `issuer`; by itself where that is null.
KeyAndCert make_cert(const CertSpec& spec, const KeyAndCert* issuer = nullptr);

// A blocking client of 127.0.0.1:port.
class TlsClient {
 public:
  // `own`: shown to the server when it asks; may be null.
  explicit TlsClient(std::uint16_t port, const KeyAndCert* own = nullptr, int max_version = 0);
  ~TlsClient();
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] std::string server_name() const;  // common name of the server's certificate
  void send(const std::string& bytes);
  void end();               // close_notify: nothing more will be sent
  std::string read_some();  // empty at the end
  std::string read_all();
  // One request, the connection closed after it; the whole answer.
  std::string ask(const std::string& method, const std::string& path, const std::string& headers = {});

 private:
  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> ssl_;
  int fd_ = -1;
  bool connected_ = false;
};

// Answers each request by `answers`, in order; the last one again and again.
struct ScriptedApi final : kube::Api {
  Awaitable<Result<std::string>> send(kube::ApiRequest request) override;
  Awaitable<Result<void>> stream(kube::ApiRequest, LineHandler) override {
    co_return make_error(Errc::unimplemented, "no streams here");
  }
  std::vector<Result<std::string>> answers;
  std::vector<kube::ApiRequest> requests;
  Nanoseconds delay{};
};

}  // namespace keelson::agent::test
