// Images: whether one is present, pulling it when the policy asks for it, and the backoff between failed pulls. Pulls
// of the same image by several pods with the same credentials are one pull. The number of pulls at a time is bounded
// for each registry by itself, so a slow registry delays only the pods that need it. After upstream's
// pkg/kubelet/images/image_manager.go.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/images/credential_providers.hpp"
#include "agent/images/credentials.hpp"
#include "agent/images/pull_rate.hpp"
#include "agent/images/pull_records.hpp"
#include "agent/journal/journal.hpp"
#include "agent/spec/security.hpp"
#include "base/backoff.hpp"
#include "base/semaphore.hpp"
#include "base/task_group.hpp"
#include "cri/runtime_service.hpp"
#include "kube/pod.hpp"

namespace keelson::agent {

// What the container config needs to know of an image.
struct ImageFacts {
  std::string ref;       // the runtime's ID of it
  spec::ImageUser user;  // that it names
};

// Why a container cannot have its image yet: the waiting state to show, and when to try again.
struct ImageWait {
  std::string reason;  // ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName, ImageInspectError
  std::string message;
  SystemTime retry_at{};
};

// Exactly one is set.
struct ImageOutcome {
  std::optional<ImageFacts> facts;
  std::optional<ImageWait> wait;
};

struct ImageRequest {
  std::string pod_uid;
  std::string image;                  // as the spec writes it
  std::string policy;                 // Always, IfNotPresent, Never
  std::string object;                 // for the journal: "container web"
  std::vector<RegistryAuth> auths{};  // to try in this order; none: anonymously
};

struct PullLimits {
  unsigned parallel = 4;  // pulls from one registry at a time
  double qps = 5;         // see PullRate
  unsigned burst = 10;
};

class ImageManager {
 public:
  ImageManager(Executor executor, cri::ImageService& images, const Clock& clock, PullLimits limits);

  // The image's facts, pulled if need be; events go to `journal`. `before_pull` is called when a pull will be waited
  // for: the caller lets go of what others wait for.
  Awaitable<ImageOutcome> ensure(ImageRequest request, PodJournal& journal, std::function<void()> before_pull);
  // The runtime said that the image is not there after all: look again next time.
  void forget(const std::string& image);
  // The image with this ID was removed.
  void image_removed(const std::string& id);
  // The node's own credentials, tried after those of a pod; the providers' after them.
  void set_node_credentials(Keyring keyring) { node_credentials_ = std::move(keyring); }
  void set_providers(CredentialProviders& providers) { providers_ = &providers; }
  // Which pods may use an image that is here; without it, all may.
  void set_records(PullRecords& records) { records_ = &records; }
  // Number of pulls under way, for the progress line.
  [[nodiscard]] std::size_t pulling() const { return pulls_.size(); }
  // Stops pulls and waits for their end.
  Awaitable<void> stop();

 private:
  struct Pull;
  Awaitable<Result<std::optional<ImageFacts>>> inspect(std::string image);
  Awaitable<void> ask_providers(ImageRequest& request, std::string name, PodJournal& journal);
  Awaitable<ImageOutcome> pull(ImageRequest request, std::string name, std::string key, PodJournal& journal);
  std::shared_ptr<Pull> join_pull(const std::string& name, std::vector<RegistryAuth> auths);
  Awaitable<std::optional<Error>> pull_with(std::shared_ptr<Pull> pull);
  Awaitable<void> record(std::shared_ptr<Pull> pull, std::string ref);
  [[nodiscard]] bool is_accessible(const std::string& name, const ImageFacts& facts,
                                   const std::vector<RegistryAuth>& auths) const;
  ImageOutcome never_pulled(const ImageRequest& request, PodJournal& journal) const;
  [[nodiscard]] Semaphore& places_of(const std::string& registry);
  void tell_wait(const Pull& pull, const ImageRequest& request, PodJournal& journal) const;
  Awaitable<void> run_pull(std::shared_ptr<Pull> pull);
  ImageOutcome pull_failed(const ImageRequest& request, const std::string& key, const std::string& why,
                           PodJournal& journal);

  cri::ImageService& images_;
  const Clock& clock_;
  PullLimits limits_;
  PullRate rate_;
  Keyring node_credentials_;
  CredentialProviders* providers_ = nullptr;
  PullRecords* records_ = nullptr;
  std::map<std::string, std::unique_ptr<Semaphore>> places_;  // by registry
  BackoffTable backoff_;
  std::map<std::string, std::string> last_error_;       // by backoff key
  std::map<std::string, ImageFacts> present_;           // by name; what ImageStatus said
  std::map<std::string, std::shared_ptr<Pull>> pulls_;  // under way, by name and credentials
  TaskGroup tasks_;
};

}  // namespace keelson::agent
