#include "agent/cluster/static_pods.hpp"

#include <nlohmann/json.hpp>

#include "agent/spec/references.hpp"
#include "agent/standalone/workload_common.hpp"
#include "base/log.hpp"
#include "kube/client/objects.hpp"

namespace keelson::agent {
namespace {

constexpr Nanoseconds kRetry = Seconds(5);

std::string annotation(const kube::Pod& pod, const char* name) {
  const auto it = pod.metadata.annotations.find(name);
  return it == pod.metadata.annotations.end() ? std::string() : it->second;
}

}  // namespace

bool is_mirror(const kube::Pod& pod) { return pod.metadata.annotations.count(kMirrorAnnotation) > 0; }

kube::Pod static_pod(const kube::Pod& manifest, const std::string& node_name, SystemTime now) {
  kube::Pod pod = manifest;
  pod.metadata.name += "-" + node_name;
  pod.metadata.uid = stable_uid(node_name + "/" + manifest.metadata.uid);
  pod.metadata.annotations["kubernetes.io/config.source"] = "file";
  pod.metadata.annotations["kubernetes.io/config.seen"] = kube::format_time(now);
  pod.metadata.annotations[kHashAnnotation] = pod.metadata.uid;
  pod.spec.node_name = node_name;
  pod.spec.tolerations.push_back(
      {.key = "", .op = "Exists", .value = "", .effect = "NoExecute", .toleration_seconds = {}});
  return pod;
}

std::string refused_reference(const kube::Pod& manifest) {
  const auto refs = spec::references(manifest);
  const char* kind = !refs.secrets.empty() || !refs.image_pull_secrets.empty() ? "secrets"
                     : !refs.config_maps.empty()                               ? "configmaps"
                     : !refs.claims.empty()                                    ? "persistentvolumeclaims"
                     : !refs.service_account.empty()                           ? "serviceaccounts"
                                                                               : nullptr;
  return kind == nullptr ? std::string() : std::string("static pods may not reference ") + kind;
}

kube::Pod mirror_pod(const kube::Pod& static_pod, const kube::Node& node) {
  kube::Pod mirror = static_pod;
  mirror.metadata.uid.clear();
  mirror.metadata.annotations[kMirrorAnnotation] = annotation(static_pod, kHashAnnotation);
  mirror.metadata.owner_references = {{.api_version = "v1",
                                       .kind = "Node",
                                       .name = node.metadata.name,
                                       .uid = node.metadata.uid,
                                       .controller = true,
                                       .block_owner_deletion = {}}};
  return mirror;
}

StaticPods::StaticPods(Executor executor, BlockingPool& pool, const Clock& clock, kube::Api& api, PodManager& pods,
                       StatusWriter& statuses, std::string node_name, std::filesystem::path folder,
                       std::function<std::string(const kube::Pod&)> refuse)
    : clock_(clock),
      api_(api),
      manager_(pods),
      statuses_(statuses),
      node_name_(std::move(node_name)),
      refuse_(std::move(refuse)),
      folder_(executor, pool, std::move(folder)),
      wake_(executor) {}

Awaitable<void> StaticPods::load() {
  const auto content = co_await folder_.read();
  if (!content.present && !wanted_.empty()) co_return;  // a folder that vanished is not an empty one
  const auto set = load_manifests(content.files);
  problems_ = content.problems;
  problems_.insert(problems_.end(), set.problems.begin(), set.problems.end());
  PodMap now;
  for (const auto& [key, manifest] : set.pods) {
    auto refused = refused_reference(*manifest);
    if (refused.empty() && refuse_) refused = refuse_(*manifest);
    if (!refused.empty()) {
      const auto file = set.files.find("Pod " + key);
      problems_.push_back({file == set.files.end() ? "" : file->second, "Pod " + key, std::move(refused)});
      continue;
    }
    auto pod = std::make_shared<const kube::Pod>(static_pod(*manifest, node_name_, clock_.now()));
    now[kube::object_key(pod->metadata)] = std::move(pod);
  }
  for (const auto& p : problems_) {
    log_error("manifest not usable", {{"file", p.file}, {"object", p.object}, {"reason", p.message}});
  }
  for (const auto& [key, pod] : wanted_) {
    const auto it = now.find(key);
    if (it != now.end() && it->second->metadata.uid == pod->metadata.uid) {
      it->second = pod;  // the same, with the time it was first seen
      continue;
    }
    manager_.remove(pod->metadata.uid);
    statuses_.forgotten(pod->metadata.uid);
  }
  for (const auto& [key, pod] : now) {
    const auto before = wanted_.find(key);
    if (before == wanted_.end() || before->second->metadata.uid != pod->metadata.uid) manager_.upsert(pod);
  }
  wanted_ = std::move(now);
  wake_.notify();
}

Awaitable<void> StaticPods::follow_folder() {
  for (;;) {
    co_await folder_.changed();
    co_await load();
  }
}

void StaticPods::node_known(std::shared_ptr<const kube::Node> node) {
  const bool first = !node_ || node_->metadata.uid != node->metadata.uid;
  node_ = std::move(node);
  if (first) wake_.notify();
}

void StaticPods::mirror_seen(std::shared_ptr<const kube::Pod> mirror) {
  const auto key = kube::object_key(mirror->metadata);
  const auto it = wanted_.find(key);
  if (it != wanted_.end() && shows(*mirror, *it->second)) statuses_.observed(it->second->metadata.uid, mirror);
  mirrors_[key] = std::move(mirror);
  wake_.notify();
}

void StaticPods::mirror_gone(const std::string& ns, const std::string& name, const std::string& uid) {
  const auto key = kube::object_key(ns, name);
  const auto mirror = mirrors_.find(key);
  if (mirror == mirrors_.end() || mirror->second->metadata.uid != uid) return;
  mirrors_.erase(mirror);
  if (const auto it = wanted_.find(key); it != wanted_.end()) statuses_.forgotten(it->second->metadata.uid);
  wake_.notify();
}

void StaticPods::mirrors_synced() {
  synced_ = true;
  wake_.notify();
}

bool StaticPods::shows(const kube::Pod& mirror, const kube::Pod& wanted) const {
  return !mirror.metadata.deletion_timestamp && annotation(mirror, kMirrorAnnotation) == wanted.metadata.uid;
}

Awaitable<void> StaticPods::keep_mirrors() {
  for (;;) {
    co_await wake_.wait();
    for (;;) {
      const bool done = co_await reconcile();
      if (done) break;
      co_await sleep_for(kRetry);
    }
  }
}

// False when something has to be tried again later.
Awaitable<bool> StaticPods::reconcile() {
  if (!node_ || !synced_) co_return true;
  bool done = true;
  const PodMap wanted = wanted_, mirrors = mirrors_;
  for (const auto& [key, mirror] : mirrors) {
    const auto it = wanted.find(key);
    if (it != wanted.end() && shows(*mirror, *it->second)) continue;
    const bool removed = co_await remove(mirror);
    done = done && removed;
  }
  for (const auto& [key, pod] : wanted) {
    if (mirrors_.count(key) > 0) continue;
    const bool created = co_await create(pod);
    done = done && created;
  }
  co_return done;
}

Awaitable<bool> StaticPods::create(std::shared_ptr<const kube::Pod> wanted) {
  const kube::Pod mirror = mirror_pod(*wanted, *node_);
  auto made = co_await kube::create<kube::Pod>(api_, mirror);
  if (!made && made.error().code == Errc::already_exists) co_return true;  // the watch tells which
  if (!made) {
    log_warn("mirror pod not created", {{"pod", kube::object_key(mirror.metadata)}, {"error", made.error()}});
    co_return made.error().code == Errc::invalid_argument;  // it will not do another time either
  }
  co_return true;
}

Awaitable<bool> StaticPods::remove(std::shared_ptr<const kube::Pod> mirror) {
  kube::DeleteOptions options;
  options.grace_period_seconds = 0;
  options.uid = mirror->metadata.uid;
  const auto path = kube::object_path<kube::Pod>(mirror->metadata.ns, mirror->metadata.name);
  const auto removed = co_await kube::remove(api_, path, std::move(options));
  if (removed || removed.error().code == Errc::not_found || removed.error().reason == "Conflict") {
    mirror_gone(mirror->metadata.ns, mirror->metadata.name, mirror->metadata.uid);
    co_return true;
  }
  log_warn("mirror pod not deleted", {{"pod", kube::object_key(mirror->metadata)}, {"error", removed.error()}});
  co_return false;
}

}  // namespace keelson::agent
