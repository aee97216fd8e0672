#include "agent/images/credential_provider_config.hpp"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.hpp"
#include "kube/codec.hpp"
#include "kube/credential_provider.hpp"
#include "kube/field_error.hpp"
#include "kube/text_member.hpp"
#include "kube/time.hpp"
#include "kube/yaml.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxConfig = 1u << 20;
constexpr std::string_view kConfigGroup = "kubelet.config.k8s.io/";

void check_name(const std::string& name, const kube::FieldPath& at, kube::FieldErrors& errors) {
  if (name.empty()) return errors.required(at);
  const bool is_file = name != "." && name != ".." && name.find_first_of("/ ") == std::string::npos;
  if (!is_file) errors.invalid(at, name, "must be the name of a file, without '/' and spaces");
}

void check(const kube::CredentialProvider& provider, const kube::FieldPath& at, kube::FieldErrors& errors) {
  check_name(provider.name, at / "name", errors);
  errors.one_of(at / "apiVersion", provider.api_version,
                {"credentialprovider.kubelet.k8s.io/v1", "credentialprovider.kubelet.k8s.io/v1alpha1",
                 "credentialprovider.kubelet.k8s.io/v1beta1"},
                true);
  if (provider.match_images.empty()) errors.required(at / "matchImages");
  const auto duration_at = at / "defaultCacheDuration";
  if (!provider.default_cache_duration) {
    errors.required(duration_at);
  } else if (!kube::parse_duration(*provider.default_cache_duration)) {
    errors.invalid(duration_at, *provider.default_cache_duration, "must be a duration such as \"12h\" of at least 0");
  }
  if (provider.token_attributes) {
    errors.forbidden(at / "tokenAttributes", "this agent gives providers no tokens of ServiceAccounts");
  }
}

CredentialProviderSpec spec_of(kube::CredentialProvider provider, const std::filesystem::path& bin_dir) {
  CredentialProviderSpec out{.name = provider.name,
                             .program = bin_dir / provider.name,
                             .match_images = std::move(provider.match_images),
                             .cache_for = *kube::parse_duration(*provider.default_cache_duration),
                             .api_version = std::move(provider.api_version),
                             .args = std::move(provider.args),
                             .env = {}};
  for (auto& variable : provider.env) out.env.emplace_back(std::move(variable.name), std::move(variable.value));
  return out;
}

Result<std::vector<std::filesystem::path>> config_files(const std::filesystem::path& config) {
  std::error_code failed;
  if (!std::filesystem::is_directory(config, failed)) return std::vector{config};
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(config, failed)) {
    const auto kind = entry.path().extension();
    if (kind == ".json" || kind == ".yaml" || kind == ".yml") out.push_back(entry.path());
  }
  if (failed) return make_error(Errc::io, config.string() + ": " + failed.message());
  if (out.empty()) return make_error(Errc::not_found, config.string() + ": no *.json, *.yaml or *.yml files");
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

Result<std::vector<CredentialProviderSpec>> parse_credential_providers(std::string_view text, const std::string& file,
                                                                       const std::filesystem::path& bin_dir) {
  const auto bad = [&](const std::string& why) { return make_error(Errc::invalid_argument, file + ": " + why); };
  const auto yaml = kube::parse_yaml(text, file);
  if (!yaml.errors.empty()) return yaml.errors.front();
  if (yaml.documents.size() != 1) return bad("expected one CredentialProviderConfig");
  const auto& document = *yaml.documents.front().json;
  if (!kube::text_member(document, "apiVersion").starts_with(kConfigGroup)) {
    return bad("apiVersion: expected kubelet.config.k8s.io/v1");
  }
  kube::Warnings unknown;
  auto config = kube::decode<kube::CredentialProviderConfig>(document, &unknown);
  if (!config) return config.error().context(file);
  if (!unknown.empty()) return bad(unknown.front());

  kube::FieldErrors errors;
  const kube::FieldPath root("providers");
  if (config->providers.empty()) errors.required(root);
  for (std::size_t i = 0; i < config->providers.size(); ++i) check(config->providers[i], root[i], errors);
  if (const auto found = errors.take(); !found.empty()) return bad(kube::to_string(found));
  std::vector<CredentialProviderSpec> out;
  for (auto& provider : config->providers) out.push_back(spec_of(std::move(provider), bin_dir));
  return out;
}

Result<std::vector<CredentialProviderSpec>> load_credential_providers(const std::filesystem::path& config,
                                                                      const std::filesystem::path& bin_dir) {
  TRY(const auto files, config_files(config));
  std::vector<CredentialProviderSpec> out;
  std::set<std::string> names;
  for (const auto& file : files) {
    TRY(const auto text, with_context(read_file(file, kMaxConfig), file.string()));
    TRY(auto providers, parse_credential_providers(text, file.string(), bin_dir));
    for (auto& provider : providers) {
      const auto where = file.string() + ": provider " + provider.name + ": ";
      if (!names.insert(provider.name).second) {
        return make_error(Errc::invalid_argument, where + "another one has this name");
      }
      if (::access(provider.program.c_str(), X_OK) != 0) {
        return errno_error(errno, where + provider.program.string());
      }
      out.push_back(std::move(provider));
    }
  }
  return out;
}

Result<CredentialAnswer> parse_credential_answer(const std::string& text, const CredentialProviderSpec& provider) {
  const auto bad = [](const std::string& why) {
    return make_error(Errc::invalid_argument, "CredentialProviderResponse: " + why);
  };
  const auto response = json::parse(text, nullptr, false);
  if (!response.is_object()) return bad("not a JSON object");
  if (kube::text_member(response, "kind") != "CredentialProviderResponse") return bad("kind: expected that");
  if (kube::text_member(response, "apiVersion") != provider.api_version) {
    return bad("apiVersion: expected " + provider.api_version);
  }
  CredentialAnswer out;
  const auto key = kube::text_member(response, "cacheKeyType");
  if (key != "Image" && key != "Registry" && key != "Global") {
    return bad("cacheKeyType: must be one of Image, Registry, Global");
  }
  out.for_what = key == "Image"      ? CredentialAnswer::For::image
                 : key == "Registry" ? CredentialAnswer::For::registry
                                     : CredentialAnswer::For::every_image;
  out.cache_for = provider.cache_for;
  if (const auto text = kube::text_member(response, "cacheDuration"); !text.empty()) {
    TRY(out.cache_for, with_context(kube::parse_duration(text), "CredentialProviderResponse: cacheDuration"));
  }
  if (const auto auth = response.find("auth"); auth != response.end() && !auth->is_null()) {
    if (!auth->is_object()) return bad("auth: expected an object");
    for (const auto& [location, entry] : auth->items()) {
      if (!entry.is_object()) return bad("auth: expected an object for each location");
      out.keyring.add(location, {kube::text_member(entry, "username"), kube::text_member(entry, "password")});
    }
  }
  return out;
}

}  // namespace keelson::agent
