#include "agent/cluster/status_writer.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/cluster/status_patch.hpp"
#include "agent/pod/status.hpp"
#include "base/log.hpp"
#include "kube/client/objects.hpp"

namespace keelson::agent {
namespace {

constexpr unsigned kRequestsAtATime = 16;
constexpr Nanoseconds kPatience = Milliseconds(500);  // for a step of a pod's start
constexpr Nanoseconds kFirstDelay = Milliseconds(200);
constexpr Nanoseconds kMaxDelay = Seconds(10);

// Of two pictures of one pod the newer; versions of one resource compare as numbers (KEP-5504).
bool is_newer(const kube::Pod& a, const kube::Pod& b) {
  const auto &x = a.metadata.resource_version, &y = b.metadata.resource_version;
  return x.size() != y.size() ? x.size() > y.size() : x > y;
}

}  // namespace

StatusWriter::StatusWriter(Executor executor, kube::Api& api)
    : executor_(executor), api_(api), places_(executor, kRequestsAtATime), wake_(executor), tasks_(executor) {}

void StatusWriter::touch(Entry& entry) {
  entry.dirty = true;
  if (entry.news != nullptr) entry.news->notify();
  wake_.notify();
}

void StatusWriter::observed(const std::string& uid, std::shared_ptr<const kube::Pod> pod) {
  auto& entry = entries_[uid];
  const bool same_object = entry.api && entry.api->metadata.uid == pod->metadata.uid;
  if (same_object && !is_newer(*pod, *entry.api)) return;  // the echo of what our own request answered
  entry.api = std::move(pod);
  if (entry.ours || entry.finished) touch(entry);
}

void StatusWriter::forgotten(const std::string& uid) {
  const auto it = entries_.find(uid);
  if (it == entries_.end()) return;
  it->second.api = nullptr;
  if (it->second.finished && !it->second.busy) entries_.erase(it);
}

void StatusWriter::set(const std::string& uid, std::shared_ptr<const kube::PodStatus> status) {
  auto& entry = entries_[uid];
  entry.ours = std::move(status);
  if (entry.api) touch(entry);
}

void StatusWriter::finished(const std::string& uid) {
  auto& entry = entries_[uid];
  entry.finished = true;
  if (!entry.api) {
    if (!entry.busy) entries_.erase(uid);
    return;
  }
  touch(entry);
}

std::size_t StatusWriter::pending() const {
  return static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const auto& e) { return e.second.dirty || e.second.busy; }));
}

Awaitable<void> StatusWriter::run() {
  for (;;) {
    co_await wake_.wait();
    for (auto& [uid, entry] : entries_) {
      if (!entry.dirty || entry.busy) continue;
      entry.busy = true;
      tasks_.spawn("status of pod " + uid, write(uid));
    }
  }
}

Awaitable<void> StatusWriter::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

Awaitable<void> StatusWriter::write(std::string uid) {
  for (;;) {
    Outcome outcome = Outcome::done;
    co_await hold_back(uid);
    {
      const auto permit = co_await places_.acquire();
      entries_[uid].dirty = false;
      outcome = co_await step(uid);
    }
    auto& entry = entries_[uid];
    if (outcome == Outcome::failed) {
      entry.dirty = true;
      entry.delay = std::clamp(entry.delay * 2, kFirstDelay, kMaxDelay);
      co_await sleep_for(entry.delay);
      continue;
    }
    entry.delay = Nanoseconds(0);
    if (outcome == Outcome::again || entry.dirty) continue;
    break;
  }
  const auto it = entries_.find(uid);
  it->second.busy = false;
  if (it->second.finished && !it->second.api) entries_.erase(it);
}

// The pod's deletion, its end and its readiness are told at once.
Awaitable<void> StatusWriter::hold_back(std::string uid) {
  Entry& entry = entries_[uid];  // stays while it is busy
  Notifier news(executor_);
  struct Holding {
    Entry& entry;
    ~Holding() { entry.news = nullptr; }
  } holding{entry};
  entry.news = &news;
  const SteadyTime end = std::chrono::steady_clock::now() + std::chrono::duration_cast<SteadyTime::duration>(kPatience);
  while (entry.api && entry.ours && !entry.finished && !entry.api->metadata.deletion_timestamp &&
         more_will_follow(entry.api->status, *entry.ours)) {
    const bool told = co_await news.wait_until(end);
    if (!told) break;
  }
}

// The one thing to be done next.
Awaitable<StatusWriter::Outcome> StatusWriter::step(std::string uid) {
  const Entry& entry = entries_[uid];
  if (!entry.api) co_return Outcome::done;
  if (entry.ours) {
    const auto change = status_patch(entry.api->metadata.uid, entry.api->status, *entry.ours);
    if (change) {
      auto body = change->dump();
      co_return co_await patch(std::move(uid), std::move(body));
    }
  }
  if (!entry.finished || !entry.api->metadata.deletion_timestamp) co_return Outcome::done;
  co_return co_await remove(std::move(uid));
}

Awaitable<StatusWriter::Outcome> StatusWriter::patch(std::string uid, std::string body) {
  const kube::ObjectMeta meta = entries_[uid].api->metadata;
  auto pod = co_await kube::patch<kube::Pod>(api_, meta.ns, meta.name, "status", std::move(body));
  if (!pod) co_return failure(uid, "status of the pod not written", pod.error());
  auto& entry = entries_[uid];
  if (!entry.api || entry.api->metadata.uid != pod->metadata.uid) co_return Outcome::done;
  if (is_newer(*pod, *entry.api)) entry.api = std::make_shared<const kube::Pod>(std::move(*pod));
  co_return entry.finished ? Outcome::again : Outcome::done;
}

// With finalizers the object stays; the watch tells when it is gone.
Awaitable<StatusWriter::Outcome> StatusWriter::remove(std::string uid) {
  const kube::ObjectMeta meta = entries_[uid].api->metadata;
  kube::DeleteOptions options;
  options.grace_period_seconds = 0;
  options.uid = meta.uid;
  const auto removed =
      co_await kube::remove(api_, kube::object_path<kube::Pod>(meta.ns, meta.name), std::move(options));
  co_return removed ? Outcome::done : failure(uid, "pod not deleted", removed.error());
}

// Not there, or another pod of that name: nothing is left to say.
StatusWriter::Outcome StatusWriter::failure(const std::string& uid, const char* what, const Error& error) {
  auto& entry = entries_[uid];
  if (error.code == Errc::not_found || error.reason == "Conflict") {
    entry.api = nullptr;
    return Outcome::done;
  }
  log_warn(what, {{"pod", entry.api ? kube::object_key(entry.api->metadata) : uid}, {"error", error}});
  return error.code == Errc::invalid_argument ? Outcome::done : Outcome::failed;
}

}  // namespace keelson::agent
