// Who may pull from which registry: imagePullSecrets and the node's own docker configuration. Pure but for
// read_node_credentials(). After upstream's pkg/credentialprovider (keyring.go, config.go) and secrets/secrets.go.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "kube/object_set.hpp"
#include "kube/pod.hpp"

namespace keelson::agent {

// The Secret that credentials come from.
struct SecretSource {
  std::string uid, ns, name;
};

struct RegistryAuth {
  std::string username, password;
  std::shared_ptr<const SecretSource> source{};  // null: the node's own
  bool operator==(const RegistryAuth& other) const { return username == other.username && password == other.password; }
};

// Credentials by the registry, and the beginning of the repository, that they are for.
class Keyring {
 public:
  // `location`: "registry.example:5000", "https://registry.example/v2/team", "*.example" (each label may hold a "*").
  void add(std::string_view location, RegistryAuth auth);
  // A document of a kubernetes.io/dockerconfigjson Secret, or (`legacy`) a kubernetes.io/dockercfg one. Errors name
  // what is wrong, and never the credentials.
  Result<void> add_document(std::string_view json, bool legacy, std::shared_ptr<const SecretSource> source = nullptr);

  // What may be tried for the repository of `image` (as the spec writes it), the most specific location first.
  [[nodiscard]] std::vector<RegistryAuth> find(std::string_view image) const;
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    std::string location;  // "host[:port][/path]"
    RegistryAuth auth;
  };
  std::vector<Entry> entries_;  // by location, descending
};

// What a pod's imagePullSecrets gave.
struct PullSecrets {
  Keyring keyring;
  std::vector<std::string> missing;     // names of Secrets that do not exist
  std::vector<std::string> unreadable;  // "NAME: why"
};
[[nodiscard]] PullSecrets read_pull_secrets(const kube::Pod& pod, const kube::ObjectSet& objects);

// The first of the node's docker configurations that there is: ROOT/config.json, $HOME/.docker/config.json,
// /.docker/config.json. None is an empty keyring. Errors: a file that cannot be used.
Result<Keyring> read_node_credentials(const std::filesystem::path& root_dir);

// Whether `repository` ("registry.example/team/app") is of a location as Keyring::add() takes them.
[[nodiscard]] bool is_of_location(const std::string& repository, std::string_view location);

// "registry.example:5000" of an image as the spec writes it; "docker.io" where it names none.
[[nodiscard]] std::string registry_of(std::string_view image);

}  // namespace keelson::agent
