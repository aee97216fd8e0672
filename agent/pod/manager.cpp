#include "agent/pod/manager.hpp"

#include <algorithm>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/system/system_error.hpp>
#include <set>

#include "agent/pod/observer.hpp"
#include "agent/spec/names.hpp"
#include "agent/spec/qos.hpp"
#include "agent/spec/resources.hpp"
#include "base/files.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

template <class Labels>
std::string label(const Labels& labels, std::string_view key) {
  const auto it = labels.find(std::string(key));
  return it == labels.end() ? std::string() : it->second;
}

// The pods that have a folder or a log folder (NAMESPACE_NAME_UID).
std::set<std::string> uids_on_disk(const spec::NodeFacts& facts) {
  std::set<std::string> out;
  if (const auto names = list_dir(spec::pods_dir(facts))) out.insert(names->begin(), names->end());
  if (const auto names = list_dir(facts.pod_log_dir)) {
    for (const auto& name : *names) {
      if (std::count(name.begin(), name.end(), '_') == 2) out.insert(name.substr(name.rfind('_') + 1));
    }
  }
  return out;
}

constexpr auto kWorkerRestart = std::chrono::seconds(5);

// What went wrong. Throws on where it is that the daemon stops.
std::string failure_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) throw;
    return e.what();
  } catch (const asio::multiple_exceptions& e) {
    return failure_of(e.first_exception());  // both sides of a "||" ended badly
  } catch (const std::exception& e) {
    return e.what();
  }
}

}  // namespace

// What a list of the whole runtime shows of one pod.
struct PodManager::ListedPod {
  std::string ns, name;
  std::map<std::string, RunState> containers;
  std::map<std::string, bool> sandboxes;
  std::optional<std::int64_t> grace;  // the pod's own, as its containers' annotations keep it
};

struct PodManager::Listing {
  std::map<std::string, ListedPod> pods;  // by UID
};

PodManager::PodManager(PodContext& context)
    : ctx_(context), resync_wanted_(context.executor), pods_changed_(context.executor), tasks_(context.executor) {
  ctx_.publish = [this](const std::string& uid, const std::shared_ptr<const kube::PodStatus>& status) {
    if (status_handler_) status_handler_(uid, status);
    changed();
  };
  ctx_.learn_id = [this](const std::string& id, const std::string& uid) { uid_by_id_[id] = uid; };
}

PodManager::~PodManager() = default;

void PodManager::changed() {
  for (const auto& handler : handlers_) handler();
}

Awaitable<Result<void>> PodManager::start() {
  auto listed = co_await list_runtime();
  while (!listed) {  // it went away again: what it holds must be known before anything is decided
    log_warn("runtime not listed", {{"error", listed.error()}});
    co_await sleep_for(Seconds(2));
    listed = co_await list_runtime();
  }
  auto listing = std::move(*listed);
  auto names = [facts = ctx_.facts] { return uids_on_disk(facts); };
  const auto on_disk = co_await ctx_.pool.run(std::move(names));
  for (const auto& uid : on_disk) {
    auto& entry = listing.pods[uid];
    auto checkpoint = load_checkpoint(spec::pod_dir(ctx_.facts, uid));
    if (!checkpoint) continue;
    entry.ns = checkpoint->pod->metadata.ns;
    entry.name = checkpoint->pod->metadata.name;
    auto status = std::make_shared<const kube::PodStatus>(std::move(checkpoint->status));
    remembered_.push_back({checkpoint->pod, std::move(status), nullptr, false});
  }
  first_ = std::make_unique<Listing>(std::move(listing));
  tasks_.spawn("resync", resync_loop());
  tasks_.spawn("burstable requests", follow_requests());
  co_return Result<void>();
}

Awaitable<void> PodManager::stop() {
  tasks_.cancel();
  co_await tasks_.join();
  co_await remove_stray_cgroups();
}

void PodManager::sources_ready() {
  if (ready_) return;
  ready_ = true;
  adopt_orphans(*first_);
  for (auto& pod : early_) start_or_queue(std::move(pod));
  early_.clear();
  remembered_.clear();
  first_.reset();
}

// The pod as an earlier agent knew it, or as much of it as labels tell.
std::shared_ptr<const kube::Pod> PodManager::orphan_pod(const std::string& uid, const ListedPod& entry) const {
  if (auto checkpoint = load_checkpoint(spec::pod_dir(ctx_.facts, uid))) return checkpoint->pod;
  auto pod = std::make_shared<kube::Pod>();
  pod->metadata.uid = uid;
  pod->metadata.ns = entry.ns;
  pod->metadata.name = entry.name.empty() ? uid : entry.name;
  pod->spec.restart_policy = "Never";
  return pod;
}

// Pods that the runtime or the disk hold, but no source: each gets a worker whose only work is to remove it.
void PodManager::adopt_orphans(const Listing& listing) {
  for (const auto& [uid, entry] : listing.pods) {
    const bool wanted =
        workers_.count(uid) > 0 ||
        std::any_of(early_.begin(), early_.end(), [&, &id = uid](const auto& p) { return p->metadata.uid == id; });
    if (wanted) continue;
    auto pod = orphan_pod(uid, entry);
    log_info("removing a pod that no source wants", {{"pod", kube::object_key(pod->metadata)}, {"uid", uid}});
    launch(std::move(pod), std::optional(entry.grace.value_or(1)));
  }
}

void PodManager::upsert(std::shared_ptr<const kube::Pod> pod) {
  if (!ready_) {
    std::erase_if(early_, [&](const auto& p) { return p->metadata.uid == pod->metadata.uid; });
    early_.push_back(std::move(pod));
    return;
  }
  start_or_queue(std::move(pod));
}

void PodManager::start_or_queue(std::shared_ptr<const kube::Pod> pod) {
  const auto key = kube::object_key(pod->metadata);
  const auto running = workers_.find(pod->metadata.uid);
  if (running != workers_.end() && !running->second->stopping()) {
    running->second->update(std::move(pod));
    pods_changed_.notify();  // its requests may be others
    return;
  }
  if (running != workers_.end() || uid_by_key_.count(key) > 0) {
    ctx_.journal.pod(key).wait("pod", "the end of the earlier pod of this name", "it is being stopped",
                               "wait for its grace period; set terminationGracePeriodSeconds where that is too long");
    waiting_[key] = std::move(pod);
    return;
  }
  launch(std::move(pod), std::nullopt);
}

void PodManager::launch(std::shared_ptr<const kube::Pod> pod, std::optional<std::optional<std::int64_t>> stop_grace) {
  const auto uid = pod->metadata.uid;
  const bool known_absent = !first_ || first_->pods.count(uid) == 0;
  auto checkpoint = known_absent ? std::nullopt : load_checkpoint(spec::pod_dir(ctx_.facts, uid));
  uid_by_key_[kube::object_key(pod->metadata)] = uid;
  auto worker = std::make_unique<PodWorker>(ctx_, std::move(pod), std::move(checkpoint), known_absent && !stop_grace);
  if (status_handler_ && !worker->status()->phase.empty()) status_handler_(uid, worker->status());
  if (stop_grace) worker->stop(*stop_grace);
  workers_[uid] = std::move(worker);
  tasks_.spawn("pod " + uid, run_worker(uid));
  pods_changed_.notify();
  changed();
}

Awaitable<void> PodManager::run_worker(std::string uid) {
  auto* worker = workers_.at(uid).get();
  for (bool done = false; !done;) {
    std::string failure;
    try {
      co_await worker->run();
      done = true;
    } catch (...) {
      failure = failure_of(std::current_exception());
    }
    if (done) break;
    log_error("pod worker failed, it is started again", {{"pod", uid}, {"error", failure}});
    co_await sleep_for(kWorkerRestart);
    worker->runtime_changed("");
  }
  worker_done(uid);
}

void PodManager::worker_done(const std::string& uid) {
  const auto it = workers_.find(uid);
  const auto key = kube::object_key(it->second->pod()->metadata);
  log_info("pod removed", {{"pod", key}, {"uid", uid}});
  std::erase_if(uid_by_id_, [&](const auto& entry) { return entry.second == uid; });
  std::erase_if(uid_by_key_, [&](const auto& entry) { return entry.second == uid; });
  workers_.erase(it);
  pods_changed_.notify();
  removed_.push_back(uid);
  if (removed_.size() > kMaxRemoved) removed_.pop_front();
  if (gone_handler_) gone_handler_(uid);
  const auto next = waiting_.find(key);
  if (next == waiting_.end()) {
    ctx_.journal.retire(key);
    changed();
    return;
  }
  auto pod = std::move(next->second);
  waiting_.erase(next);
  ctx_.journal.pod(key).clear_waits();
  launch(std::move(pod), std::nullopt);
}

void PodManager::remove(const std::string& uid, std::optional<std::int64_t> grace) {
  std::erase_if(early_, [&](const auto& p) { return p->metadata.uid == uid; });
  std::erase_if(waiting_, [&](const auto& entry) { return entry.second->metadata.uid == uid; });
  if (const auto it = workers_.find(uid); it != workers_.end()) it->second->stop(grace);
}

void PodManager::end(const std::string& uid, Waiting why, std::int64_t grace) {
  if (const auto it = workers_.find(uid); it != workers_.end()) it->second->end(std::move(why), grace);
}

void PodManager::runtime_changed(const std::string& container_id, const std::string& sandbox_id) {
  for (const auto* id : {&container_id, &sandbox_id}) {
    const auto it = uid_by_id_.find(*id);
    if (it == uid_by_id_.end()) continue;
    if (const auto worker = workers_.find(it->second); worker != workers_.end()) {
      worker->second->runtime_changed(*id);
      return;
    }
  }
}

void PodManager::resync() { resync_wanted_.notify(); }

Awaitable<void> PodManager::resync_loop() {
  for (;;) {
    co_await resync_wanted_.wait();
    auto listing = co_await list_runtime();
    if (!listing) {
      log_warn("runtime not listed", {{"error", listing.error()}});
      co_await sleep_for(Seconds(2));
      resync_wanted_.notify();
      continue;
    }
    apply(*listing);
    co_await remove_stray_cgroups();
  }
}

// Only those of pods that this agent removed itself: whose the others are is not known.
Awaitable<void> PodManager::remove_stray_cgroups() {
  std::set<std::string> gone;
  for (const auto& uid : removed_) {
    if (workers_.count(uid) == 0) gone.insert(uid);
  }
  if (gone.empty()) co_return;
  auto work = [cgroups = ctx_.cgroups, gone = std::move(gone)]() mutable -> Result<void> {
    TRY(const auto pods, cgroups.list_pods());
    for (const auto& pod : pods) {
      if (gone.count(pod.uid) > 0) CHECK_OK(cgroups.remove_pod(pod.name));
    }
    return {};
  };
  const auto done = co_await ctx_.pool.run(std::move(work));
  if (!done) log_warn("cgroup of a removed pod not removed", {{"error", done.error()}});
}

// The burstable cgroup's CPU weight is the sum of its pods' requests (qos_container_manager_linux.go).
Awaitable<void> PodManager::follow_requests() {
  std::int64_t written = -1;
  for (;;) {
    co_await pods_changed_.wait();
    std::int64_t sum = 0;
    for (const auto& [uid, worker] : workers_) {
      if (spec::qos_class(*worker->pod()) == spec::Qos::burstable)
        sum += spec::cpu_millis(spec::pod_requests(*worker->pod()));
    }
    if (sum == written) continue;
    auto write = [cgroups = ctx_.cgroups, sum]() mutable { return cgroups.set_burstable_requests(sum); };
    const auto done = co_await ctx_.pool.run(std::move(write));
    if (!done) log_warn("burstable cgroup not set", {{"error", done.error()}});
    written = sum;
  }
}

void PodManager::apply(const Listing& listing) {
  static const ListedPod kNothing;
  for (const auto& [uid, worker] : workers_) {
    const auto it = listing.pods.find(uid);
    const auto& entry = it == listing.pods.end() ? kNothing : it->second;
    worker->reconcile(entry.containers, entry.sandboxes);
  }
  if (ready_) adopt_orphans(listing);
}

Awaitable<Result<PodManager::Listing>> PodManager::list_runtime() {
  Listing out;
  CO_TRY(const auto sandboxes, co_await ctx_.runtime.list_pod_sandbox({}));
  CO_TRY(const auto containers, co_await ctx_.runtime.list_containers({}));
  std::map<std::string, std::string> pod_of_sandbox;
  for (const auto& s : sandboxes.items()) {
    const auto uid = label(s.labels(), spec::kPodUidLabel);
    if (uid.empty()) continue;
    auto& entry = out.pods[uid];
    entry.ns = label(s.labels(), spec::kPodNamespaceLabel);
    entry.name = label(s.labels(), spec::kPodNameLabel);
    entry.sandboxes[s.id()] = s.state() == cri::v1::SANDBOX_READY;
    uid_by_id_[s.id()] = uid;
  }
  for (const auto& c : containers.containers()) {
    const auto uid = label(c.labels(), spec::kPodUidLabel);
    if (uid.empty()) continue;
    const auto identity = spec::container_identity({c.labels().begin(), c.labels().end()},
                                                   {c.annotations().begin(), c.annotations().end()});
    auto& entry = out.pods[uid];
    entry.ns = identity.pod_namespace;
    entry.name = identity.pod_name;
    entry.containers[c.id()] = to_run_state(c.state());
    if (identity.termination_grace_period_seconds) entry.grace = identity.termination_grace_period_seconds;
    uid_by_id_[c.id()] = uid;
  }
  co_return out;
}

void PodManager::objects_changed(const std::vector<std::string>& uids) {
  for (const auto& [uid, worker] : workers_) {
    if (uids.empty() || std::find(uids.begin(), uids.end(), uid) != uids.end()) worker->objects_changed();
  }
}

void PodManager::probe_changed(const std::string& uid) {
  if (const auto it = workers_.find(uid); it != workers_.end()) it->second->probe_changed();
}

std::vector<PodView> PodManager::pods() const {
  std::vector<PodView> out;
  for (const auto& [key, uid] : uid_by_key_) {
    if (auto view = find_uid(uid)) out.push_back(std::move(*view));
  }
  return out;
}

std::optional<PodView> PodManager::find(const std::string& ns, const std::string& name) const {
  const auto it = uid_by_key_.find(kube::object_key(ns, name));
  return it == uid_by_key_.end() ? std::nullopt : find_uid(it->second);
}

std::optional<PodView> PodManager::find_uid(const std::string& uid) const {
  const auto it = workers_.find(uid);
  if (it == workers_.end()) return std::nullopt;
  const auto& w = *it->second;
  return PodView{w.pod(), w.status(), &w.observation(), w.stopping()};
}

}  // namespace keelson::agent
