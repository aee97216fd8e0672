// Whose a client certificate is, checked against the cluster's client CA.
// After k8s.io/apiserver pkg/authentication/request/x509: user = common name, groups = organizations.
#pragma once

#include <openssl/types.h>

#include <filesystem>
#include <memory>

#include "agent/server/file_stamp.hpp"
#include "agent/server/tls_connection.hpp"
#include "agent/server/user.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

class ClientCa {
 public:
  // A PEM file with one or more CA certificates; each of them is an anchor of trust.
  ClientCa(std::filesystem::path file, const Clock& clock) : file_(std::move(file)), clock_(clock) {}

  // Who showed these certificates. The file is read again when it has changed. Errors (permission_denied): they do not
  // lead to the CA, are not valid now, are not for clients, or name nobody.
  Result<UserInfo> verify(const ClientCertificates& certificates);

 private:
  void refresh();

  std::filesystem::path file_;
  const Clock& clock_;
  std::optional<FileStamp> stamp_;
  bool tried_ = false;
  std::shared_ptr<X509_STORE> anchors_;  // null: no file that could be used, ever
};

}  // namespace keelson::agent
