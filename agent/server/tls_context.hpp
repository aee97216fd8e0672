// The serving side's TLS settings and certificate: one SSL_CTX for each generation of the files.
// After upstream's cmd/kubelet/app/server.go InitializeTLS and k8s.io/component-base/cli/flag ciphersuites_flag.go.
#pragma once

#include <openssl/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/server/file_stamp.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct TlsPolicy {
  std::string min_version = "VersionTLS12";  // tlsMinVersion: VersionTLS10 ... VersionTLS13; empty: VersionTLS12
  // tlsCipherSuites, in IANA names; empty: the library's defaults. TLS 1.3's are not for choice, as in Go.
  std::vector<std::string> cipher_suites;
};

class ServingCertificate {
 public:
  // PEM files; both may be the same one.
  ServingCertificate(std::filesystem::path cert_file, std::filesystem::path key_file, TlsPolicy policy);

  // The context for a new connection: made anew when the files have changed. Where that fails the one before goes on,
  // and the failure is logged once for each change. Errors: there has been no certificate that could be used; a policy
  // that cannot be met (invalid_argument, naming the setting).
  Result<std::shared_ptr<SSL_CTX>> context();

 private:
  [[nodiscard]] Result<std::shared_ptr<SSL_CTX>> load() const;

  std::filesystem::path cert_file_, key_file_;
  TlsPolicy policy_;
  std::optional<FileStamp> cert_stamp_, key_stamp_;  // of what was tried last
  bool tried_ = false;
  std::shared_ptr<SSL_CTX> context_;
  Error last_error_;
};

// The reasons that OpenSSL has queued, oldest first, as one text; empties the queue.
[[nodiscard]] std::string take_openssl_errors();

}  // namespace keelson::agent
