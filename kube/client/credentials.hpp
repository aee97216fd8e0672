// Keys, certificate requests and certificates, in PEM, by OpenSSL. Pure, but for the random numbers.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "kube/time.hpp"

namespace keelson::kube {

struct Subject {
  std::string common_name;
  std::vector<std::string> organizations;
  bool operator==(const Subject&) const = default;
};

struct SubjectAltNames {
  std::vector<std::string> dns;
  std::vector<std::string> ips;  // IPv4 or IPv6, in text
  [[nodiscard]] bool empty() const { return dns.empty() && ips.empty(); }
  bool operator==(const SubjectAltNames&) const = default;
};

struct CertificateFacts {
  Subject subject;
  Subject issuer;
  SubjectAltNames names;
  Time not_before;
  Time not_after;
};

// A new ECDSA P-256 private key ("-----BEGIN PRIVATE KEY-----").
[[nodiscard]] std::string make_private_key();
// The key's public half, DER (SubjectPublicKeyInfo).
Result<std::string> public_key_der(const std::string& key_pem);

// A PKCS#10 request signed with the key. A name that is no IP address is invalid_argument.
Result<std::string> make_certificate_request(const std::string& key_pem, const Subject& subject,
                                             const SubjectAltNames& names = {});
// The public half (DER) of the key that a PKCS#10 request is for.
Result<std::string> request_key_der(const std::string& request_pem);
// A server certificate signed by its own key, valid from an hour before `now` for `lifetime`.
Result<std::string> make_self_signed(const std::string& key_pem, const Subject& subject, const SubjectAltNames& names,
                                     Time now, Seconds lifetime);

// The first certificate of the text.
Result<CertificateFacts> read_certificate(const std::string& pem);
// That the text holds one certificate or more, and nothing broken.
Result<void> check_certificates(const std::string& pem);
// That the key is the first certificate's.
Result<void> check_key_pair(const std::string& certificate_pem, const std::string& key_pem);
// SHA-256 of the certificate's public key, hex: what kubeadm's --discovery-token-ca-cert-hash has after "sha256:".
Result<std::string> public_key_hash(const std::string& certificate_pem);

}  // namespace keelson::kube
