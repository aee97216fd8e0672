// The agent's pod networks: takes the operations that the runtime sends through the shim, runs the real chain, and
// keeps the attachment store right whatever fails in between. Lives on the loop's thread; disk work goes to the
// BlockingPool.
//
// Order of one attachment's operations: one at a time per container ID, any number of containers in parallel, GC alone.
// Failure behaviour: every ADD that does not end well is undone by a DEL of the whole list; a DEL that fails leaves a
// `deleting` record, which the runtime's next DEL or the next reconcile() takes up. Nothing here is fatal to the agent.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/task_group.hpp"
#include "cni/chain.hpp"
#include "cni/config.hpp"
#include "cni/locks.hpp"
#include "cni/runtime_config.hpp"
#include "cni/store.hpp"

namespace keelson::cni {

struct ManagerOptions {
  std::filesystem::path state_dir = "/var/lib/keelson/cni";  // attachments/, spool/, lock
  std::filesystem::path conf_dir = "/etc/cni/net.d";
  std::vector<std::filesystem::path> bin_dirs = {"/opt/cni/bin"};
  ChainTiming timing;
  Durability durability = Durability::durable;  // of the attachment files
  Seconds orphan_age{600};  // an added attachment of no known sandbox is deleted at this age even if its netns exists
  Seconds status_ttl{30};   // how long a plugin's good STATUS is believed; a bad one is asked again each time
  std::function<bool(const std::string&)> netns_exists;  // default: the path is a network namespace (nsfs)
  const Clock* clock = &system_clock();
};

// More runtimeConfig for a pod, put over what the runtime sends; `pod_uid` may be of a pod that the agent does not
// know.
using RuntimeConfigLookup = std::function<std::optional<RuntimeConfig>(const std::string& pod_uid)>;

struct NetworkStatus {
  bool ready = false;
  std::string network;                  // name of the default network; empty when there is none
  std::string message;                  // why it is not ready; empty when it is
  std::vector<ConfigProblem> problems;  // conf files that could not be used, also when ready
};

// What reconcile() does about one record; see decide_reconcile.
struct RecordSummary {
  AttachmentState state = AttachmentState::adding;
  std::string network_name, netns, pod_uid;
  std::int64_t created = 0;
};

// True when a record that no operation holds must be deleted: it is half done, or its sandbox is not among the live
// ones and either its netns is gone or it is older than `orphan_age` (a sandbox is not listed while RunPodSandbox
// runs).
[[nodiscard]] bool decide_reconcile(const RecordSummary& record, bool live, bool netns_exists, std::int64_t now,
                                    Seconds orphan_age);

class Manager {
 public:
  // `pool` and `exec` must outlive the manager.
  Manager(const Executor& executor, BlockingPool& pool, PluginExec& exec, ManagerOptions options,
          RuntimeConfigLookup lookup = {});
  ~Manager();

  // Takes the state lock (waits for shims at work), loads store and conf dir, and begins to watch the conf dir.
  // An error: the state dir cannot be used.
  Awaitable<Result<void>> start();

  // Deletes what half-done operations, dead sandboxes and tombstones left behind; the first time also sends GC to the
  // networks that know it. `live_sandboxes`: IDs of all READY sandboxes of the runtime. Call after start(), and again
  // now and then with a fresh list; when nothing is to be done it costs next to nothing.
  Awaitable<void> reconcile(std::set<std::string> live_sandboxes);

  // The operations. Errors are ready to be shown to the runtime. An add() whose caller is cancelled is aborted and
  // undone by a DEL that goes on without the caller; a del() goes on to its end.
  Awaitable<CniResult<AddResult>> add(Attachment attachment);
  Awaitable<CniResult<void>> del(Attachment attachment);
  Awaitable<CniResult<void>> check(Attachment attachment);
  // GC of the default network with the given attachments and all of our own as valid.
  Awaitable<CniResult<void>> gc(std::vector<AttachmentId> valid);

  // Ready, or the reason why not: no usable config, a missing plugin binary, or a plugin's STATUS.
  Awaitable<NetworkStatus> status();
  // Called on the loop when the conf dir's networks changed.
  void on_networks_changed(std::function<void()> callback) { changed_ = std::move(callback); }

  [[nodiscard]] const ConfDir& networks() const { return conf_; }
  // The plugins that work just now.
  [[nodiscard]] const std::list<RunningPlugin>& running() const { return chain_.running(); }
  [[nodiscard]] const std::map<AttachmentId, RecordSummary>& records() const { return records_; }

  // Ends the watch, aborts what runs (their records tell the next start what to undo) and releases the state lock.
  Awaitable<void> stop();

 private:
  struct Operation;
  struct Guards;
  class Registration;
  struct CallerGuard;
  Awaitable<void> run_add(std::shared_ptr<Operation> op);
  Awaitable<void> run_chain_add(std::shared_ptr<Operation> op);
  Awaitable<void> run_del(std::shared_ptr<Operation> op);
  Awaitable<void> perform_add(std::shared_ptr<Operation> op);
  Awaitable<void> settle_add(std::shared_ptr<Operation> op);
  Awaitable<void> undo_add(std::shared_ptr<Operation> op, bool clean);
  Awaitable<CniResult<void>> keep_result(std::shared_ptr<Operation> op, const AddResult& result);
  Awaitable<CniResult<void>> delete_recorded(AttachmentId id, std::string netns);
  Awaitable<CniResult<void>> delete_unknown(Attachment attachment);
  using LiveSet = std::shared_ptr<const std::set<std::string>>;
  Awaitable<void> reconcile_record(AttachmentId id, LiveSet live);
  Awaitable<void> replay_tombstone(Tombstone tombstone);
  Awaitable<void> replay_tombstones();
  Awaitable<void> collect_garbage(LiveSet live);
  Awaitable<CniResult<void>> collect_network(NetworkConfig network, std::set<AttachmentId> valid);
  Awaitable<Guards> lock_container(std::string container_id);
  Awaitable<Result<void>> write_record(AttachmentRecord record);
  Awaitable<Result<void>> erase_record(AttachmentId id);
  Awaitable<Result<std::optional<AttachmentRecord>>> read_record(AttachmentId id);
  Awaitable<void> load_networks();
  Awaitable<void> watch_networks();
  void log_networks() const;
  [[nodiscard]] std::int64_t now_seconds() const;
  [[nodiscard]] const NetworkConfig* default_network() const;
  void remember_deleted(const AttachmentId& id);

  Executor executor_;
  BlockingPool& pool_;
  ManagerOptions options_;
  RuntimeConfigLookup lookup_;
  Chain chain_;
  AttachmentStore store_;
  Spool spool_;
  std::optional<StateLock> state_lock_;
  ConfDir conf_;
  std::map<AttachmentId, RecordSummary> records_;
  std::deque<AttachmentId> deleted_;  // the latest DELs, so that the runtime's second one of a pod costs nothing
  std::map<std::string, std::weak_ptr<SharedLock>> containers_;
  SharedLock gate_;         // shared: ADD, DEL, CHECK; exclusive: GC
  bool collected_ = false;  // GC was sent once
  std::optional<SteadyTime> status_good_until_;
  std::function<void()> changed_;
  std::set<std::shared_ptr<Operation>> operations_;
  SharedLock reconcile_lock_;
  TaskGroup cleanups_;  // of reconcile(); members, so that stop() can wait for them whoever called
  TaskGroup tasks_;
};

}  // namespace keelson::cni
