// CertificateStore: a certificate and its key in one PEM file, NAME-DATE.pem, with the symlink NAME-current.pem to the
// one in use, as the kubelet keeps them (client-go util/certificate/certificate_store.go). These calls block.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "kube/time.hpp"

namespace keelson::kube {

struct CertificatePair {
  std::string certificate_pem;  // perhaps with its chain after it
  std::string key_pem;
  bool operator==(const CertificatePair&) const = default;
};

class CertificateStore {
 public:
  // `name` is "kubelet-client" or "kubelet-server".
  CertificateStore(std::filesystem::path folder, std::string name)
      : folder_(std::move(folder)), name_(std::move(name)) {}

  [[nodiscard]] std::filesystem::path current_path() const { return folder_ / (name_ + "-current.pem"); }
  // The pair in use. not_found when there is none; invalid_argument, naming the file, when it is broken.
  [[nodiscard]] Result<CertificatePair> current() const;
  // Writes the pair and makes it the one in use: whoever reads current_path() sees the former or the new one, whole. Of
  // the former ones the last is kept.
  Result<void> store(const CertificatePair& pair, Time now) const;

  // A key whose certificate was asked for and has not come: NAME.key.tmp. Makes one if need be.
  Result<std::string> pending_key() const;
  Result<void> drop_pending_key() const;

 private:
  void prune(const std::string& in_use) const;
  std::filesystem::path folder_;
  std::string name_;
};

}  // namespace keelson::kube
