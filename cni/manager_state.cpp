// The manager's view of the world around the operations: conf dir, readiness, and what must be cleaned up.
#include <algorithm>

#include "base/dir_watcher.hpp"
#include "base/log.hpp"
#include "cni/operation.hpp"

namespace keelson::cni {
namespace fs = std::filesystem;
namespace {

// How long GC waits for a moment without operations before it is left for the next reconcile().
constexpr Seconds kQuietWait{30};

std::string describe_problems(const ConfDir& conf, const fs::path& dir) {
  if (conf.problems.empty()) return "no network configuration in " + dir.string();
  std::string text = "no usable network configuration in " + dir.string();
  for (const auto& problem : conf.problems) {
    // A problem of the folder itself names it already.
    text += (problem.file == dir ? "; " : "; " + problem.file.filename().string() + ": ") + problem.reason;
  }
  return text;
}

bool same_networks(const ConfDir& a, const ConfDir& b) {
  const auto same = [](const NetworkConfig& x, const NetworkConfig& y) {
    return x.json == y.json && x.source == y.source;
  };
  const auto same_problem = [](const ConfigProblem& x, const ConfigProblem& y) {
    return x.file == y.file && x.reason == y.reason;
  };
  return std::equal(a.networks.begin(), a.networks.end(), b.networks.begin(), b.networks.end(), same) &&
         std::equal(a.problems.begin(), a.problems.end(), b.problems.begin(), b.problems.end(), same_problem);
}

// The nearest folder that exists, `dir` or above it: where a missing conf dir will show up.
fs::path nearest_existing(fs::path dir) {
  std::error_code ec;
  while (!fs::is_directory(dir, ec) && dir.has_relative_path()) dir = dir.parent_path();
  return dir;
}

// Notifies `changed` once `watcher` saw something, or its folder is gone.
Awaitable<void> watch_one(std::shared_ptr<DirWatcher> watcher, std::shared_ptr<Notifier> changed) {
  const auto seen = co_await watcher->changed();
  if (!seen) log_debug("watch ended", {{"error", seen.error()}});
  changed->notify();
}

}  // namespace

Awaitable<void> Manager::load_networks() {
  auto job = [dir = options_.conf_dir] { return load_conf_dir(dir); };
  ConfDir loaded = co_await pool_.run(std::move(job));
  if (same_networks(loaded, conf_)) co_return;
  conf_ = std::move(loaded);
  status_good_until_.reset();
  log_networks();
  if (changed_) changed_();
}

void Manager::log_networks() const {
  for (const auto& problem : conf_.problems) {
    log_warn("network configuration not used", {{"file", problem.file.string()}, {"reason", problem.reason}});
  }
  if (const NetworkConfig* network = default_network()) {
    log_info("default network", {{"name", network->name},
                                 {"version", network->cni_version},
                                 {"plugins", network->plugins.size()},
                                 {"file", network->source.string()}});
  } else {
    log_warn("no pod network", {{"reason", describe_problems(conf_, options_.conf_dir)}});
  }
}

// Watches the conf dir (or where it will appear) and the networks' sub-folders; reads all again after each change.
Awaitable<void> Manager::watch_networks() {
  for (;;) {
    const auto changed = std::make_shared<Notifier>(executor_);  // watches -> us; they may outlive our frame
    TaskGroup watches(executor_);
    std::vector<fs::path> dirs = {nearest_existing(options_.conf_dir)};
    for (const auto& network : conf_.networks) dirs.push_back(options_.conf_dir / network.name);
    for (const auto& dir : dirs) {
      auto watcher = DirWatcher::open(executor_, dir);
      if (!watcher) continue;  // most networks have no sub-folder
      watches.spawn("CNI conf dir", watch_one(std::make_shared<DirWatcher>(std::move(*watcher)), changed));
    }
    // Changes that came before the watches stood are seen now.
    co_await load_networks();
    co_await changed->wait();
    watches.cancel();
    co_await watches.join();
    co_await load_networks();
  }
}

Awaitable<NetworkStatus> Manager::status() {
  NetworkStatus out;
  out.problems = conf_.problems;
  const NetworkConfig* found = default_network();
  if (!found) {
    out.message = describe_problems(conf_, options_.conf_dir);
    co_return out;
  }
  const NetworkConfig network = *found;
  out.network = network.name;
  if (const auto binaries = chain_.find_all(network); !binaries) {
    out.message = "network \"" + network.name + "\": " + binaries.error().message;
    co_return out;
  }
  const SteadyTime now = options_.clock->steady_now();
  if (!status_good_until_ || now >= *status_good_until_) {
    const auto asked = co_await chain_.status(network);
    if (!asked) {
      status_good_until_.reset();
      out.message = "network \"" + network.name + "\": " + asked.error().text();
      co_return out;
    }
    status_good_until_ = now + options_.status_ttl;
  }
  out.ready = true;
  co_return out;
}

Awaitable<void> Manager::reconcile(std::set<std::string> live_sandboxes) {
  const LiveSet live = std::make_shared<const std::set<std::string>>(std::move(live_sandboxes));
  const auto alone = co_await reconcile_lock_.exclusive();
  co_await replay_tombstones();
  std::vector<AttachmentId> suspects;
  for (const auto& [id, record] : records_) {
    const bool known = live->contains(id.container_id);
    if (decide_reconcile(record, known, options_.netns_exists(record.netns), now_seconds(), options_.orphan_age)) {
      suspects.push_back(id);
    }
  }
  for (const auto& id : suspects) cleanups_.spawn("CNI reconcile", reconcile_record(id, live));
  co_await cleanups_.join();
  if (!collected_) co_await collect_garbage(live);
}

// Decides again under the lock: an operation that ran meanwhile may have settled it.
Awaitable<void> Manager::reconcile_record(AttachmentId id, LiveSet live) {
  const auto guards = co_await lock_container(id.container_id);
  const auto found = records_.find(id);
  if (found == records_.end()) co_return;
  const RecordSummary record = found->second;
  const bool has_netns = options_.netns_exists(record.netns);
  if (!decide_reconcile(record, live->contains(id.container_id), has_netns, now_seconds(), options_.orphan_age)) {
    co_return;
  }
  log_info("deleting a leftover attachment",
           {{"container", id.container_id}, {"state", to_string(record.state)}, {"pod_uid", record.pod_uid}});
  const std::string netns = has_netns ? record.netns : std::string();
  const auto deleted = co_await delete_recorded(id, netns);
  if (!deleted) {
    log_error("leftover attachment not deleted, will be tried again",
              {{"container", id.container_id}, {"error", deleted.error().text()}});
  }
}

Awaitable<void> Manager::replay_tombstones() {
  auto job = [spool = spool_] { return spool.load(); };
  auto loaded = co_await pool_.run(std::move(job));
  if (!loaded) {
    log_error("spool of deletes cannot be read", {{"error", loaded.error()}});
    co_return;
  }
  for (auto& tombstone : *loaded) cleanups_.spawn("CNI tombstone", replay_tombstone(std::move(tombstone)));
  co_await cleanups_.join();
}

// A DEL that the runtime was told is done. It removed the netns after that, so there is none to give to the plugins.
Awaitable<void> Manager::replay_tombstone(Tombstone tombstone) {
  const AttachmentId id{tombstone.attachment.container_id, tombstone.attachment.ifname};
  const auto guards = co_await lock_container(id.container_id);
  Attachment attachment = std::move(tombstone.attachment);
  const std::string netns = options_.netns_exists(attachment.netns) ? attachment.netns : std::string();
  attachment.netns = netns;
  CniResult<void> deleted;
  if (records_.contains(id)) {
    deleted = co_await delete_recorded(id, netns);
  } else {
    deleted = co_await delete_unknown(std::move(attachment));
  }
  if (!deleted) {
    log_error("DEL taken while the agent was down failed, will be tried again",
              {{"container", id.container_id}, {"error", deleted.error().text()}});
    co_return;
  }
  log_info("DEL taken while the agent was down is done", {{"container", id.container_id}});
  auto job = [spool = spool_, id] { return spool.remove(id); };
  const auto removed = co_await pool_.run(std::move(job));
  if (!removed) log_error("tombstone not removed", {{"container", id.container_id}, {"error", removed.error()}});
}

// GC to every network of the conf dir. Live sandboxes count as valid even without a record of ours: they may have been
// made by the runtime itself, before it was given our shim, and must keep their addresses.
Awaitable<void> Manager::collect_garbage(LiveSet live) {
  const auto quiet = co_await gate_.exclusive_until(std::chrono::steady_clock::now() + kQuietWait);
  if (!quiet) co_return;
  const auto networks = conf_.networks;
  for (const auto& network : networks) {
    std::set<AttachmentId> valid;
    for (const auto& id : *live) valid.insert({id, "eth0"});
    const auto collected = co_await collect_network(network, std::move(valid));
    if (!collected) log_warn("GC failed", {{"network", network.name}, {"error", collected.error().text()}});
  }
  collected_ = !networks.empty();
}

Awaitable<CniResult<void>> Manager::collect_network(NetworkConfig network, std::set<AttachmentId> valid) {
  for (const auto& [id, record] : records_) {
    if (record.network_name == network.name) valid.insert(id);
  }
  std::vector<AttachmentId> all(valid.begin(), valid.end());
  co_return co_await chain_.gc(network, std::move(all));
}

Awaitable<CniResult<void>> Manager::gc(std::vector<AttachmentId> valid) {
  const NetworkConfig* network = default_network();
  if (!network) co_return CniResult<void>();
  const NetworkConfig config = *network;
  const auto quiet = co_await gate_.exclusive_until(std::chrono::steady_clock::now() + kQuietWait);
  if (!quiet) co_return CniError(code::kTryAgainLater, "operations are running");
  std::set<AttachmentId> set(valid.begin(), valid.end());
  co_return co_await collect_network(config, std::move(set));
}

}  // namespace keelson::cni
