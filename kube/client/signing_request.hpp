// CertificateSigningRequests (certificates.k8s.io/v1): ask for a certificate and wait until it is there. After
// client-go util/certificate/csr.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kube/client/api.hpp"
#include "kube/client/credentials.hpp"

namespace keelson::kube {

inline constexpr const char* kClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr const char* kServingSigner = "kubernetes.io/kubelet-serving";

struct SigningRequest {
  std::string name;  // empty: the server makes one that begins with "csr-"
  std::string signer_name;
  std::vector<std::string> usages;  // "digital signature", "client auth", ...
  std::string key_pem;
  Subject subject;
  SubjectAltNames names;
};

// A name that is the same for the same key, subject and usages, so that a restart finds its former request:
// "node-csr-" and base64url(SHA-512/256).
Result<std::string> signing_request_name(const std::string& key_pem, const Subject& subject,
                                         const std::vector<std::string>& usages);

// Creates the request, or takes up the one of that name, and waits for its certificate by watching it. Errors:
// permission_denied when it was denied (reason "Denied") or may not be created, failed_precondition when signing failed
// ("Failed"), it was deleted or another request has the name; deadline_exceeded when nobody approved it within
// `timeout`; others as Api::send().
Awaitable<Result<std::string>> request_certificate(std::shared_ptr<Api> api, SigningRequest request,
                                                   Nanoseconds timeout);

}  // namespace keelson::kube
