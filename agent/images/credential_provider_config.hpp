// Which credential provider plugins there are: --image-credential-provider-config and -bin-dir. After upstream's
// pkg/credentialprovider/plugin/config.go.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "agent/images/credentials.hpp"
#include "base/chrono.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct CredentialProviderSpec {
  std::string name;
  std::filesystem::path program;
  std::vector<std::string> match_images;  // it is asked for these: as Keyring's locations
  Nanoseconds cache_for{};                // what an answer holds that does not say; 0: it is not kept
  std::string api_version;                // of what is asked and answered
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;  // beside the agent's own
};

// The providers of a CredentialProviderConfig (YAML or JSON), its programs in `bin_dir`. Errors name file, field and
// reason: unknown fields are errors, too, and so is tokenAttributes, which this agent does not serve.
Result<std::vector<CredentialProviderSpec>> parse_credential_providers(std::string_view text, const std::string& file,
                                                                       const std::filesystem::path& bin_dir);

// Those of a file, or of the *.json, *.yaml and *.yml files of a folder in the order of their names. Errors: also a
// program that is not there or that cannot be run, and a name that two of them have.
Result<std::vector<CredentialProviderSpec>> load_credential_providers(const std::filesystem::path& config,
                                                                      const std::filesystem::path& bin_dir);

// What a provider answered.
struct CredentialAnswer {
  enum class For { image, registry, every_image } for_what = For::image;  // cacheKeyType: whom else it serves
  Nanoseconds cache_for{};
  Keyring keyring;
};
// A CredentialProviderResponse of that provider. Errors never show credentials.
Result<CredentialAnswer> parse_credential_answer(const std::string& text, const CredentialProviderSpec& provider);

}  // namespace keelson::agent
