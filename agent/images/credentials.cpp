#include "agent/images/credentials.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "agent/spec/image_ref.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"
#include "kube/text_member.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr const char* kDefaultRegistry = "index.docker.io";
constexpr std::size_t kMaxConfig = 1u << 20;

// "https://registry.example/v2/team" -> "registry.example/team".
std::string normalized_location(std::string_view location) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (location.starts_with(scheme)) location.remove_prefix(scheme.size());
  }
  const auto slash = location.find('/');
  if (slash == std::string_view::npos) return std::string(location);
  const auto host = location.substr(0, slash);
  auto path = location.substr(slash);
  if (path.starts_with("/v1/") || path.starts_with("/v2/")) path.remove_prefix(3);
  return std::string(host) + (path == "/" ? std::string() : std::string(path));
}

struct Place {
  std::vector<std::string> labels;  // of the host
  std::string port, path;
};

Place split_place(const std::string& location) {
  Place out;
  const auto slash = location.find('/');
  auto host = location.substr(0, slash);
  if (slash != std::string::npos) out.path = location.substr(slash);
  if (const auto colon = host.rfind(':'); colon != std::string::npos && host.find(']', colon) == std::string::npos) {
    out.port = host.substr(colon + 1);
    host.resize(colon);
  }
  out.labels = split(host, '.');
  return out;
}

bool matches(const std::string& location, const std::string& repository) {
  const auto pattern = split_place(location), target = split_place(repository);
  if (pattern.port != target.port || pattern.labels.size() != target.labels.size()) return false;
  if (!target.path.starts_with(pattern.path)) return false;
  return std::equal(pattern.labels.begin(), pattern.labels.end(), target.labels.begin(),
                    [](const auto& glob, const auto& label) { return ::fnmatch(glob.c_str(), label.c_str(), 0) == 0; });
}

// One value of "auths": username and password, or both in "auth" as base64 of "user:password".
Result<RegistryAuth> read_auth(const std::string& location, const json& entry) {
  const auto where = "credentials for \"" + location + "\": ";
  if (!entry.is_object()) return make_error(Errc::invalid_argument, where + "expected an object");
  RegistryAuth out{kube::text_member(entry, "username"), kube::text_member(entry, "password")};
  auto encoded = kube::text_member(entry, "auth");
  if (encoded.empty()) return out;
  encoded.resize((encoded.size() + 3) / 4 * 4, '=');  // upstream takes it without padding, too
  std::string decoded;
  if (!base64_decode(encoded, decoded)) return make_error(Errc::invalid_argument, where + "auth is not base64");
  const auto colon = decoded.find(':');
  if (colon == std::string::npos) return make_error(Errc::invalid_argument, where + "auth is not \"user:password\"");
  return RegistryAuth{decoded.substr(0, colon), decoded.substr(colon + 1)};
}

}  // namespace

void Keyring::add(std::string_view location, RegistryAuth auth) {
  Entry entry{normalized_location(location), std::move(auth)};
  const auto same = [&](const Entry& e) { return e.location == entry.location && e.auth == entry.auth; };
  if (std::any_of(entries_.begin(), entries_.end(), same)) return;
  const auto at = std::upper_bound(entries_.begin(), entries_.end(), entry,
                                   [](const Entry& a, const Entry& b) { return a.location > b.location; });
  entries_.insert(at, std::move(entry));
}

Result<void> Keyring::add_document(std::string_view text, bool legacy, std::shared_ptr<const SecretSource> source) {
  const auto document = json::parse(text, nullptr, false);
  if (!document.is_object()) return make_error(Errc::invalid_argument, "not a JSON object");
  const json none = json::object();
  const auto found = document.find("auths");
  const json& auths = legacy ? document : found == document.end() ? none : *found;
  if (!auths.is_object()) return make_error(Errc::invalid_argument, "auths: expected an object");
  std::vector<std::pair<std::string, RegistryAuth>> read;
  for (const auto& [location, entry] : auths.items()) {
    TRY(auto auth, read_auth(location, entry));
    auth.source = source;
    read.emplace_back(location, std::move(auth));
  }
  for (auto& [location, auth] : read) add(location, std::move(auth));
  return {};
}

std::vector<RegistryAuth> Keyring::find(std::string_view image) const {
  std::vector<RegistryAuth> out;
  const auto reference = spec::parse_image_reference(image);
  if (!reference) return out;
  const auto repository = reference->domain + "/" + reference->path;
  for (const auto& entry : entries_) {
    if (matches(entry.location, repository)) out.push_back(entry.auth);
  }
  if (!out.empty() || reference->domain != "docker.io") return out;
  for (const auto& entry : entries_) {
    if (entry.location == kDefaultRegistry || entry.location.starts_with(std::string(kDefaultRegistry) + "/")) {
      out.push_back(entry.auth);
    }
  }
  return out;
}

PullSecrets read_pull_secrets(const kube::Pod& pod, const kube::ObjectSet& objects) {
  PullSecrets out;
  for (const auto& reference : pod.spec.image_pull_secrets) {
    if (reference.name.empty()) continue;
    const auto* secret = objects.find_secret(pod.metadata.ns, reference.name);
    if (secret == nullptr) {
      out.missing.push_back(reference.name);
      continue;
    }
    const bool legacy = secret->type == "kubernetes.io/dockercfg";
    if (!legacy && secret->type != "kubernetes.io/dockerconfigjson") {
      out.unreadable.push_back(reference.name + ": type \"" + secret->type +
                               "\" holds no registry credentials: kubernetes.io/dockerconfigjson does");
      continue;
    }
    const char* key = legacy ? ".dockercfg" : ".dockerconfigjson";
    const auto data = secret->data.find(key);
    if (data == secret->data.end() || data->second.empty()) {
      out.unreadable.push_back(reference.name + ": no " + key);
      continue;
    }
    const auto& meta = secret->metadata;
    const auto source = std::make_shared<const SecretSource>(SecretSource{meta.uid, meta.ns, meta.name});
    const auto added = out.keyring.add_document(data->second, legacy, source);
    if (!added) out.unreadable.push_back(reference.name + ": " + key + ": " + added.error().message);
  }
  return out;
}

Result<Keyring> read_node_credentials(const std::filesystem::path& root_dir) {
  const char* home = std::getenv("HOME");
  Keyring out;
  for (const auto& path :
       {root_dir / "config.json", std::filesystem::path(home == nullptr ? "/root" : home) / ".docker/config.json",
        std::filesystem::path("/.docker/config.json")}) {
    const auto text = read_file(path, kMaxConfig);
    if (!text && text.error().code == Errc::not_found) continue;
    if (!text) return text.error();
    if (const auto added = out.add_document(*text, false); !added) return added.error().context(path.string());
    break;
  }
  return out;
}

bool is_of_location(const std::string& repository, std::string_view location) {
  return matches(normalized_location(location), repository);
}

std::string registry_of(std::string_view image) {
  const auto reference = spec::parse_image_reference(image);
  return reference ? reference->domain : std::string();
}

}  // namespace keelson::agent
