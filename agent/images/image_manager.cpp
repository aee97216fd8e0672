#include "agent/images/image_manager.hpp"

#include <list>

#include "agent/spec/image_ref.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

std::string in_quotes(const std::string& image) { return "\"" + image + "\""; }

// "1.5s", "320ms": as Go prints a duration to the millisecond.
std::string duration_text(Nanoseconds took) {
  const auto ms = std::chrono::duration_cast<Milliseconds>(took).count();
  if (ms < 1000) return std::to_string(ms) + "ms";
  std::string fraction = std::to_string(ms % 1000);
  fraction.insert(0, 3 - fraction.size(), '0');
  return std::to_string(ms / 1000) + "." + fraction + "s";
}

ImageOutcome waiting(std::string reason, std::string message, SystemTime retry_at) {
  return {.facts = {}, .wait = ImageWait{std::move(reason), std::move(message), retry_at}};
}

constexpr auto kLookAgain = std::chrono::seconds(10);
// A failed pull shows as ErrImagePull for this long, then as ImagePullBackOff until it is tried again.
constexpr auto kShowError = std::chrono::seconds(1);

}  // namespace

// One pull that any number of pods wait for.
struct ImageManager::Pull {
  std::string name;
  bool done = false;
  std::optional<Error> error;
  std::uint64_t size = 0;
  Nanoseconds took{};  // of the pull itself
  std::list<Notifier*> waiters;
};

ImageManager::ImageManager(Executor executor, cri::ImageService& images, const Clock& clock, unsigned parallel_pulls)
    : images_(images), clock_(clock), places_(executor, parallel_pulls), backoff_(BackoffPolicy{}), tasks_(executor) {}

void ImageManager::forget(const std::string& image) {
  if (auto name = spec::with_default_tag(image)) present_.erase(*name);
}

Awaitable<void> ImageManager::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

Awaitable<Result<std::optional<ImageFacts>>> ImageManager::inspect(std::string image) {
  if (const auto it = present_.find(image); it != present_.end()) co_return std::optional(it->second);
  cri::v1::ImageStatusRequest request;
  request.mutable_image()->set_image(image);
  CO_TRY(const auto reply, co_await images_.image_status(std::move(request)));
  if (!reply.has_image() || reply.image().id().empty()) co_return std::optional<ImageFacts>();
  const ImageFacts facts{.ref = reply.image().id(), .user = spec::image_user(reply.image())};
  present_[image] = facts;
  co_return std::optional(facts);
}

Awaitable<ImageOutcome> ImageManager::ensure(ImageRequest request, PodJournal& journal,
                                             std::function<void()> before_pull) {
  const auto name = spec::with_default_tag(request.image);
  if (!name) {
    journal.event(EntryKind::warning, request.object, "InspectFailed",
                  "Failed to apply default image tag " + in_quotes(request.image) + ": " + name.error().message);
    co_return waiting("InvalidImageName", name.error().message, clock_.now() + std::chrono::hours(1));
  }
  const bool may_use_present = request.policy != "Always";
  if (may_use_present) {
    const auto seen = co_await inspect(*name);
    if (!seen) {
      const auto text = "Failed to inspect image " + in_quotes(*name) + ": " + seen.error().message;
      journal.event(EntryKind::warning, request.object, "InspectFailed", text);
      co_return waiting("ImageInspectError", text, clock_.now() + kLookAgain);
    }
    if (*seen) {
      journal.event(
          EntryKind::normal, request.object, "Pulled",
          "Container image " + in_quotes(request.image) + " already present on machine and can be accessed by the pod");
      co_return ImageOutcome{.facts = **seen, .wait = {}};
    }
    if (request.policy == "Never") {
      const auto text = "Container image " + in_quotes(request.image) + " is not present with pull policy of Never";
      journal.event(EntryKind::warning, request.object, "ErrImageNeverPull", text);
      co_return waiting("ErrImageNeverPull", text, clock_.now() + kLookAgain);
    }
  }
  const std::string key = request.pod_uid + "_" + *name;
  if (const auto until = backoff_.blocked_until(key, clock_.now())) {
    const auto text = "Back-off pulling image " + in_quotes(request.image);
    journal.event(EntryKind::normal, request.object, "BackOff", text);
    journal.event(EntryKind::warning, request.object, "Failed", "Error: ImagePullBackOff");
    co_return waiting("ImagePullBackOff", text + ": ErrImagePull: " + last_error_[key], *until);
  }
  if (before_pull) before_pull();
  co_return co_await pull(std::move(request), *name, journal);
}

std::shared_ptr<ImageManager::Pull> ImageManager::join_pull(const std::string& name) {
  auto& slot = pulls_[name];
  if (!slot) {
    slot = std::make_shared<Pull>();
    slot->name = name;
    tasks_.spawn("pull " + name, run_pull(slot));
  }
  return slot;
}

Awaitable<void> ImageManager::run_pull(std::shared_ptr<Pull> pull) {
  const auto place = co_await places_.acquire();
  const auto start = clock_.steady_now();
  cri::v1::PullImageRequest request;
  request.mutable_image()->set_image(pull->name);
  const auto pulled = co_await images_.pull_image(std::move(request));
  pull->took = clock_.steady_now() - start;
  if (!pulled) pull->error = pulled.error();
  present_.erase(pull->name);
  if (pulled) {
    cri::v1::ImageStatusRequest inspect;
    inspect.mutable_image()->set_image(pull->name);
    const auto reply = co_await images_.image_status(std::move(inspect));
    if (reply) pull->size = reply->image().size();
  }
  pull->done = true;
  pulls_.erase(pull->name);
  for (auto* waiter : pull->waiters) waiter->notify();
}

ImageOutcome ImageManager::pull_failed(const ImageRequest& request, const std::string& why, PodJournal& journal) {
  const std::string key = request.pod_uid + "_" + *spec::with_default_tag(request.image);
  const auto now = clock_.now();
  backoff_.collect(now);
  backoff_.fail(key, now);
  last_error_[key] = why;
  const auto text = "Failed to pull image " + in_quotes(request.image) + ": " + why;
  journal.event(EntryKind::warning, request.object, "Failed", text);
  journal.event(EntryKind::warning, request.object, "Failed", "Error: ErrImagePull");
  log_warn("image pull failed", {{"image", request.image}, {"pod_uid", request.pod_uid}, {"error", why}});
  return waiting("ErrImagePull", why, now + kShowError);
}

Awaitable<ImageOutcome> ImageManager::pull(ImageRequest request, std::string name, PodJournal& journal) {
  journal.event(EntryKind::normal, request.object, "Pulling", "Pulling image " + in_quotes(request.image));
  const auto start = clock_.steady_now();
  const auto shared = join_pull(name);
  Notifier done(tasks_.executor());
  const auto place = shared->waiters.insert(shared->waiters.end(), &done);
  struct Leave {
    std::list<Notifier*>& list;
    std::list<Notifier*>::iterator at;
    ~Leave() { list.erase(at); }
  } leave{shared->waiters, place};
  while (!shared->done) co_await done.wait();
  if (shared->error) co_return pull_failed(request, shared->error->message, journal);
  const auto seen = co_await inspect(name);
  if (!seen) co_return pull_failed(request, seen.error().message, journal);
  if (!*seen) co_return pull_failed(request, "the runtime does not show the image it pulled", journal);
  const std::string key = request.pod_uid + "_" + name;
  backoff_.reset(key);
  last_error_.erase(key);
  journal.event(EntryKind::normal, request.object, "Pulled",
                "Successfully pulled image " + in_quotes(request.image) + " in " + duration_text(shared->took) + " (" +
                    duration_text(clock_.steady_now() - start) +
                    " including waiting). Image size: " + std::to_string(shared->size) + " bytes.");
  co_return ImageOutcome{.facts = **seen, .wait = {}};
}

}  // namespace keelson::agent
