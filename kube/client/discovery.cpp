#include "kube/client/discovery.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/strings.hpp"
#include "kube/client/credentials.hpp"
#include "kube/yaml.hpp"

namespace keelson::kube {
namespace {

constexpr const char* kWhere = "ConfigMap kube-public/cluster-info";

bool is_token_part(std::string_view text, std::size_t size) {
  return text.size() == size &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
}

std::string base64url(std::string_view bytes) {
  auto text = base64_encode(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(std::find(text.begin(), text.end(), '='), text.end());
  return text;
}

std::string hmac_sha256(const std::string& key, const std::string& text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), out, &size);
  return {reinterpret_cast<const char*>(out), size};
}

std::string signature_of(const std::string& header, const std::string& payload, const BootstrapToken& token) {
  return base64url(hmac_sha256(token.secret, header + "." + base64url(payload)));
}

bool equal_in_constant_time(const std::string& a, const std::string& b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// The document names one cluster, and no context.
Result<ClientConfig> cluster_of(const std::string& kubeconfig) {
  const auto file = parse_yaml(kubeconfig, kWhere);
  try {
    const nlohmann::json& cluster = file.documents.at(0).json->at("clusters").at(0).at("cluster");
    ClientConfig out;
    out.server = cluster.at("server").get<std::string>();
    if (base64_decode(cluster.at("certificate-authority-data").get<std::string>(), out.ca.data)) return out;
  } catch (const std::exception&) {
    // Said below: which field is missing matters to nobody, the document is made by a program.
  }
  return make_error(Errc::invalid_argument, std::string(kWhere) + ": not a kubeconfig with a server and its CA");
}

Result<void> check_signature(const std::string& jws, const std::string& payload, const BootstrapToken& token) {
  const auto parts = split(jws, '.');
  if (parts.size() != 3 || !parts[1].empty())
    return make_error(Errc::invalid_argument, "a signature that is no detached JWS");
  if (!equal_in_constant_time(parts[2], signature_of(parts[0], payload, token))) {
    return make_error(Errc::permission_denied, "the signature is not by the token " + token.id);
  }
  return {};
}

}  // namespace

Result<BootstrapToken> parse_bootstrap_token(const std::string& text) {
  const auto dot = text.find('.');
  if (dot != std::string::npos) {
    BootstrapToken token{text.substr(0, dot), text.substr(dot + 1)};
    if (is_token_part(token.id, 6) && is_token_part(token.secret, 16)) return token;
  }
  return make_error(Errc::invalid_argument, "not a bootstrap token: expected 6 and 16 of [a-z0-9] with a dot between");
}

std::string sign_detached(const std::string& payload, const BootstrapToken& token) {
  const auto header = base64url(nlohmann::json{{"alg", "HS256"}, {"kid", token.id}}.dump());
  return header + ".." + signature_of(header, payload, token);
}

Result<ClientConfig> verified_cluster(const std::map<std::string, std::string>& data, const BootstrapToken& token,
                                      const std::vector<std::string>& ca_hashes) {
  const auto kubeconfig = data.find("kubeconfig");
  if (kubeconfig == data.end())
    return make_error(Errc::failed_precondition, std::string(kWhere) + " has no kubeconfig");
  const auto jws = data.find("jws-kubeconfig-" + token.id);
  if (jws == data.end()) {
    return make_error(Errc::permission_denied, std::string(kWhere) + " is not signed by the token " + token.id +
                                                   ": it does not exist, has expired, or may not be used for signing");
  }
  CHECK_OK(with_context(check_signature(jws->second, kubeconfig->second, token), kWhere));
  TRY(auto cluster, cluster_of(kubeconfig->second));
  TRY(const auto hash, public_key_hash(cluster.ca.data));
  const bool pinned = std::any_of(ca_hashes.begin(), ca_hashes.end(),
                                  [&](const auto& wanted) { return to_lower(wanted) == "sha256:" + hash; });
  if (!pinned) {
    return make_error(Errc::permission_denied,
                      "the cluster's CA has the hash sha256:" + hash + ", which is none of those given");
  }
  return cluster;
}

}  // namespace keelson::kube
