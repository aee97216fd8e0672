// Which pods may use an image that is already here. An image pulled with a pod's Secret is for pods that have such
// credentials: others must pull it themselves, and are refused where the registry refuses them. What was pulled, with
// what, is kept on disk in upstream's format, so that a node goes from kubelet to Keelson and back with it. After
// upstream's pkg/kubelet/images/pullmanager (KubeletEnsureSecretPulledImages).
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/images/pull_verification.hpp"
#include "base/async.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

// A Secret that an image was, or may be, pulled with.
struct PullSecret {
  std::string uid, ns, name;
  std::string hash;  // of the credentials in it, hex; see credential_hash()
  bool operator==(const PullSecret&) const = default;
};

// Who may use an image: every pod of the node, or those with one of the Secrets.
struct PullAccess {
  bool every_pod = false;
  std::vector<PullSecret> secrets;
  bool operator==(const PullAccess&) const = default;
};

struct PulledRecord {
  std::string ref;                                  // the runtime's ID of the image
  std::map<std::string, PullAccess> by_repository;  // "registry.example/team/app"
  SystemTime updated{};
  bool operator==(const PulledRecord&) const = default;
};

// ImagePulledRecord of kubelet.config.k8s.io. Errors: invalid_argument.
[[nodiscard]] std::string encode_pulled(const PulledRecord& record);
[[nodiscard]] Result<PulledRecord> decode_pulled(const std::string& text);

// Puts `access` to what is known of the repository; whether that changed anything.
bool grant(PulledRecord& record, const std::string& repository, const PullAccess& access);

// Whether a pod with `secrets` has to pull the image `name`, which is here, before it may use it. `record` is null
// where nobody knows how it came; `intended` where an agent was about to pull it and did not say how that ended.
[[nodiscard]] bool must_pull(const PullVerification& verification, const std::string& name, const PulledRecord* record,
                             bool intended, const std::vector<PullSecret>& secrets);

// "docker.io/library/nginx" of "nginx:1"; empty where it is no image name.
[[nodiscard]] std::string repository_of(const std::string& image);

// Upstream's hash of a username and password (pkg/credentialprovider/keyring.go hashAuthConfig), hex.
[[nodiscard]] std::string credential_hash(const std::string& username, const std::string& password);

// The records of this node, in `dir`. What cannot be written is logged: then the image has to be pulled again.
class PullRecords {
 public:
  PullRecords(BlockingPool& pool, const Clock& clock, std::filesystem::path dir, PullVerification verification);

  // What an earlier agent left. A file that cannot be read is passed over, with a line in the log.
  void load();
  // Before a pull, so that an image is never taken for one that was here before.
  Awaitable<void> intend(std::string name);
  Awaitable<void> pulled(std::string name, std::string ref, PullAccess access);
  Awaitable<void> failed(std::string name);
  void removed(const std::string& ref);
  [[nodiscard]] bool must_pull(const std::string& name, const std::string& ref,
                               const std::vector<PullSecret>& secrets) const;

 private:
  Awaitable<void> write(std::filesystem::path path, std::string text);
  void remove(const std::filesystem::path& path) const;

  BlockingPool& pool_;
  const Clock& clock_;
  std::filesystem::path dir_;
  PullVerification verification_;
  std::map<std::string, PulledRecord> pulled_;  // by the image's ID
  std::map<std::string, unsigned> intended_;    // by name: pulls under way, 0 from an earlier agent
};

}  // namespace keelson::agent
