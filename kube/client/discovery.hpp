// Token-based discovery: what a node that knows only a bootstrap token and the hash of the cluster's CA learns of the
// cluster, without trusting anybody on the way. After kubeadm's cmd/kubeadm/app/discovery/token and cluster-bootstrap's
// token/jws. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "kube/client/kubeconfig.hpp"

namespace keelson::kube {

struct BootstrapToken {
  std::string id;      // 6 characters
  std::string secret;  // 16 characters
  [[nodiscard]] std::string text() const { return id + "." + secret; }
};

// "abcdef.0123456789abcdef".
[[nodiscard]] Result<BootstrapToken> parse_bootstrap_token(const std::string& text);

// The cluster that the ConfigMap kube-public/cluster-info speaks of (`data` is its data): its address and CA, without
// credentials. Errors: no signature by the token (JWS, HS256, detached), or none that fits; a kubeconfig that cannot be
// read; a CA whose public key has none of `ca_hashes` ("sha256:HEX").
[[nodiscard]] Result<ClientConfig> verified_cluster(const std::map<std::string, std::string>& data,
                                                    const BootstrapToken& token,
                                                    const std::vector<std::string>& ca_hashes);

// The detached signature that goes with `payload`, "HEADER..SIGNATURE".
[[nodiscard]] std::string sign_detached(const std::string& payload, const BootstrapToken& token);

}  // namespace keelson::kube
