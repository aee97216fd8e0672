#include "agent/images/image_manager.hpp"

#include <algorithm>
#include <list>

#include "agent/spec/image_ref.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"

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

// Tells credentials apart without keeping them in a key.
std::string fingerprint(const std::vector<RegistryAuth>& auths) {
  if (auths.empty()) return {};
  std::string all;
  for (const auto& auth : auths) all += auth.username + '\0' + auth.password + '\0';
  return " " + to_hex(sha256(all)).substr(0, 16);
}

// The Secrets among the credentials, as records have them.
std::vector<PullSecret> secrets_of(const std::vector<RegistryAuth>& auths) {
  std::vector<PullSecret> out;
  for (const auto& auth : auths) {
    if (!auth.source) continue;
    out.push_back(
        {auth.source->uid, auth.source->ns, auth.source->name, credential_hash(auth.username, auth.password)});
  }
  return out;
}

void add(std::vector<RegistryAuth>& auths, RegistryAuth auth) {
  if (std::find(auths.begin(), auths.end(), auth) == auths.end()) auths.push_back(std::move(auth));
}

constexpr auto kLookAgain = std::chrono::seconds(10);
// A failed pull shows as ErrImagePull for this long, then as ImagePullBackOff until it is tried again.
constexpr auto kShowError = std::chrono::seconds(1);

}  // namespace

// One pull that any number of pods wait for.
struct ImageManager::Pull {
  std::string key;  // in pulls_
  std::string name;
  std::string registry;
  std::vector<RegistryAuth> auths;
  std::optional<RegistryAuth> used;  // that the registry took
  bool begun = false;
  bool done = false;
  std::optional<Error> error;
  std::uint64_t size = 0;
  Nanoseconds took{};  // of the pull itself
  std::list<Notifier*> waiters;
};

ImageManager::ImageManager(Executor executor, cri::ImageService& images, const Clock& clock, PullLimits limits)
    : images_(images),
      clock_(clock),
      limits_(limits),
      rate_(limits.qps, limits.burst),
      backoff_(BackoffPolicy{}),
      tasks_(executor) {}

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
    OpenStep looking(journal, request.object, "inspect image");
    const auto seen = co_await inspect(*name);
    looking.done();
    if (!seen) {
      const auto text = "Failed to inspect image " + in_quotes(*name) + ": " + seen.error().message;
      journal.event(EntryKind::warning, request.object, "InspectFailed", text);
      co_return waiting("ImageInspectError", text, clock_.now() + kLookAgain);
    }
    if (*seen && is_accessible(*name, **seen, request.auths)) {
      journal.event(
          EntryKind::normal, request.object, "Pulled",
          "Container image " + in_quotes(request.image) + " already present on machine and can be accessed by the pod");
      co_return ImageOutcome{.facts = **seen, .wait = {}};
    }
    if (request.policy == "Never") co_return never_pulled(request, journal);
  }
  for (auto& auth : node_credentials_.find(*name)) add(request.auths, std::move(auth));
  // Other credentials are another try.
  const std::string key = request.pod_uid + "_" + *name + fingerprint(request.auths);
  if (const auto until = backoff_.blocked_until(key, clock_.now())) {
    const auto text = "Back-off pulling image " + in_quotes(request.image);
    journal.event(EntryKind::normal, request.object, "BackOff", text);
    journal.event(EntryKind::warning, request.object, "Failed", "Error: ImagePullBackOff");
    co_return waiting("ImagePullBackOff", text + ": ErrImagePull: " + last_error_[key], *until);
  }
  if (before_pull) before_pull();
  co_await ask_providers(request, *name, journal);
  co_return co_await pull(std::move(request), *name, key, journal);
}

Awaitable<void> ImageManager::ask_providers(ImageRequest& request, std::string name, PodJournal& journal) {
  if (providers_ == nullptr) co_return;
  const auto repository = repository_of(name);
  if (const auto asked = providers_->to_ask(repository); !asked.empty()) {
    journal.wait(
        request.object, "image " + name, "the credential provider " + asked + " is asked for credentials",
        "a program of --image-credential-provider-bin-dir has a minute to answer; the log tells when it fails");
  }
  auto found = co_await providers_->find(repository);
  journal.clear_wait(request.object);
  for (auto& auth : found) add(request.auths, std::move(auth));
}

// The same for an image that is not here and for one that is not for this pod: that it is here is nobody's business.
ImageOutcome ImageManager::never_pulled(const ImageRequest& request, PodJournal& journal) const {
  const auto text = "Container image " + in_quotes(request.image) + " is not present with pull policy of Never";
  journal.event(EntryKind::warning, request.object, "ErrImageNeverPull", text);
  return waiting("ErrImageNeverPull", text, clock_.now() + kLookAgain);
}

bool ImageManager::is_accessible(const std::string& name, const ImageFacts& facts,
                                 const std::vector<RegistryAuth>& auths) const {
  return records_ == nullptr || !records_->must_pull(name, facts.ref, secrets_of(auths));
}

void ImageManager::image_removed(const std::string& id) {
  std::erase_if(present_, [&](const auto& entry) { return entry.second.ref == id; });
  if (records_ != nullptr) records_->removed(id);
}

Semaphore& ImageManager::places_of(const std::string& registry) {
  auto& places = places_[registry];
  if (!places) places = std::make_unique<Semaphore>(tasks_.executor(), limits_.parallel);
  return *places;
}

std::shared_ptr<ImageManager::Pull> ImageManager::join_pull(const std::string& name, std::vector<RegistryAuth> auths) {
  const auto key = name + fingerprint(auths);
  auto& slot = pulls_[key];
  if (!slot) {
    slot = std::make_shared<Pull>();
    slot->key = key;
    slot->name = name;
    slot->registry = registry_of(name);
    slot->auths = std::move(auths);
    tasks_.spawn("pull " + name, run_pull(slot));
  }
  return slot;
}

// With each of the credentials until one does; what all of them gave where none did.
Awaitable<std::optional<Error>> ImageManager::pull_with(std::shared_ptr<Pull> pull) {
  const auto& auths = pull->auths;
  std::optional<Error> failure;
  std::vector<std::string> messages;
  const auto tries = std::max<std::size_t>(auths.size(), 1);
  for (std::size_t i = 0; i < tries; ++i) {
    cri::v1::PullImageRequest request;
    request.mutable_image()->set_image(pull->name);
    if (i < auths.size()) {
      request.mutable_auth()->set_username(auths[i].username);
      request.mutable_auth()->set_password(auths[i].password);
    }
    const auto pulled = co_await images_.pull_image(std::move(request));
    if (pulled) {
      if (i < auths.size()) pull->used = auths[i];
      co_return std::nullopt;
    }
    failure = pulled.error();
    messages.push_back(failure->message);
  }
  if (messages.size() > 1) failure->message = "[" + join(messages, ", ") + "]";
  co_return failure;
}

Awaitable<void> ImageManager::run_pull(std::shared_ptr<Pull> pull) {
  const auto place = co_await places_of(pull->registry).acquire();
  if (const auto wait = rate_.take(clock_.steady_now()); wait.count() > 0) co_await sleep_for(wait);
  pull->begun = true;
  for (auto* waiter : pull->waiters) waiter->notify();
  const auto start = clock_.steady_now();
  if (records_ != nullptr) co_await records_->intend(pull->name);
  pull->error = co_await pull_with(pull);
  pull->took = clock_.steady_now() - start;
  present_.erase(pull->name);
  if (!pull->error) {
    cri::v1::ImageStatusRequest inspect;
    inspect.mutable_image()->set_image(pull->name);
    const auto reply = co_await images_.image_status(std::move(inspect));
    if (reply) pull->size = reply->image().size();
    std::string ref;
    if (reply) ref = reply->image().id();
    co_await record(pull, std::move(ref));
  } else if (records_ != nullptr) {
    co_await records_->failed(pull->name);
  }
  pull->done = true;
  pulls_.erase(pull->key);
  for (auto* waiter : pull->waiters) waiter->notify();
}

// Who may use it from now on. Where the runtime does not tell what it pulled, the intent stays, and so the doubt.
Awaitable<void> ImageManager::record(std::shared_ptr<Pull> pull, std::string ref) {
  if (records_ == nullptr || ref.empty()) co_return;
  PullAccess access;
  if (pull->used) access.secrets = secrets_of({*pull->used});
  access.every_pod = access.secrets.empty();
  co_await records_->pulled(pull->name, std::move(ref), std::move(access));
}

// What `keelson explain` shows while the pull goes on: since when, from where, and what it waits for itself.
void ImageManager::tell_wait(const Pull& pull, const ImageRequest& request, PodJournal& journal) const {
  if (pull.begun) {
    journal.wait(request.object, "image " + pull.name, "it is being pulled from " + pull.registry,
                 "a slow registry or network delays only the pods that need it");
    return;
  }
  journal.wait(request.object, "image " + pull.name,
               "other images are being pulled from " + pull.registry + " first (" + std::to_string(limits_.parallel) +
                   " at a time, " + std::to_string(pulls_.size()) + " wanted on this node)",
               "maxParallelImagePulls and registryPullQPS bound how many begin");
}

ImageOutcome ImageManager::pull_failed(const ImageRequest& request, const std::string& key, const std::string& why,
                                       PodJournal& journal) {
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

// `key` is the backoff's, without what providers gave: theirs change with every answer.
Awaitable<ImageOutcome> ImageManager::pull(ImageRequest request, std::string name, std::string key,
                                           PodJournal& journal) {
  journal.event(EntryKind::normal, request.object, "Pulling", "Pulling image " + in_quotes(request.image));
  const auto start = clock_.steady_now();
  const auto shared = join_pull(name, request.auths);
  Notifier changed(tasks_.executor());
  const auto place = shared->waiters.insert(shared->waiters.end(), &changed);
  struct Leave {
    std::list<Notifier*>& list;
    std::list<Notifier*>::iterator at;
    ~Leave() { list.erase(at); }
  } leave{shared->waiters, place};
  while (!shared->done) {
    tell_wait(*shared, request, journal);
    co_await changed.wait();
  }
  journal.clear_wait(request.object);
  if (shared->error) co_return pull_failed(request, key, shared->error->message, journal);
  const auto seen = co_await inspect(name);
  if (!seen) co_return pull_failed(request, key, seen.error().message, journal);
  if (!*seen) co_return pull_failed(request, key, "the runtime does not show the image it pulled", journal);
  backoff_.reset(key);
  last_error_.erase(key);
  journal.event(EntryKind::normal, request.object, "Pulled",
                "Successfully pulled image " + in_quotes(request.image) + " in " + duration_text(shared->took) + " (" +
                    duration_text(clock_.steady_now() - start) +
                    " including waiting). Image size: " + std::to_string(shared->size) + " bytes.");
  co_return ImageOutcome{.facts = **seen, .wait = {}};
}

}  // namespace keelson::agent
