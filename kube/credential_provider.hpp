// CredentialProviderConfig (kubelet.config.k8s.io): programs that know credentials for registries.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kube/meta.hpp"

namespace keelson::kube {

struct ExecEnvVar {
  std::string name, value;
  bool operator==(const ExecEnvVar&) const = default;
};

struct TokenAttributes {
  std::string audience;  // serviceAccountTokenAudience
  bool operator==(const TokenAttributes&) const = default;
};

struct CredentialProvider {
  std::string name;
  std::vector<std::string> match_images;
  std::optional<std::string> default_cache_duration;  // as Go writes durations
  std::string api_version;                            // of request and response
  std::vector<std::string> args;
  std::vector<ExecEnvVar> env;
  std::optional<TokenAttributes> token_attributes;
  bool operator==(const CredentialProvider&) const = default;
};

struct CredentialProviderConfig {
  static constexpr const char* kApiVersion = "kubelet.config.k8s.io/v1";
  static constexpr const char* kKind = "CredentialProviderConfig";
  std::vector<CredentialProvider> providers;
  bool operator==(const CredentialProviderConfig&) const = default;
};

}  // namespace keelson::kube
