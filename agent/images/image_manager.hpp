// Images: whether one is present, pulling it when the policy asks for it, and the backoff between failed pulls. Pulls
// of the same image by several pods are one pull; the number of pulls at a time is bounded, and a slow registry delays
// only the pods that need it. After upstream's pkg/kubelet/images/image_manager.go.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

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
  std::string image;   // as the spec writes it
  std::string policy;  // Always, IfNotPresent, Never
  std::string object;  // for the journal: "container web"
};

class ImageManager {
 public:
  ImageManager(Executor executor, cri::ImageService& images, const Clock& clock, unsigned parallel_pulls);

  // The image's facts, pulled if need be; events go to `journal`. `before_pull` is called when a pull will be waited
  // for: the caller lets go of what others wait for.
  Awaitable<ImageOutcome> ensure(ImageRequest request, PodJournal& journal, std::function<void()> before_pull);
  // The runtime said that the image is not there after all: look again next time.
  void forget(const std::string& image);
  // Number of pulls under way, for the progress line.
  [[nodiscard]] std::size_t pulling() const { return pulls_.size(); }
  // Stops pulls and waits for their end.
  Awaitable<void> stop();

 private:
  struct Pull;
  Awaitable<Result<std::optional<ImageFacts>>> inspect(std::string image);
  Awaitable<ImageOutcome> pull(ImageRequest request, std::string name, PodJournal& journal);
  std::shared_ptr<Pull> join_pull(const std::string& name);
  Awaitable<void> run_pull(std::shared_ptr<Pull> pull);
  ImageOutcome pull_failed(const ImageRequest& request, const std::string& why, PodJournal& journal);

  cri::ImageService& images_;
  const Clock& clock_;
  Semaphore places_;
  BackoffTable backoff_;
  std::map<std::string, std::string> last_error_;       // by backoff key
  std::map<std::string, ImageFacts> present_;           // by name; what ImageStatus said
  std::map<std::string, std::shared_ptr<Pull>> pulls_;  // under way, by name
  TaskGroup tasks_;
};

}  // namespace keelson::agent
