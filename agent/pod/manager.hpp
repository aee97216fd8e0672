// All pods of the node: gives each its worker, routes what the sources and the runtime say to it, and cleans up what
// nobody wants any more. The one place that knows which pods there are.
//
// Queues: source -> upsert()/remove() -> worker; runtime events -> runtime_changed()/resync() -> worker;
// worker -> on_change() -> endpoints, status writers, the CLI's watchers. Lives on the loop's thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/pod/worker.hpp"
#include "base/task_group.hpp"

namespace keelson::agent {

// A pod as it is now: desired state, status, and what the runtime has of it.
struct PodView {
  std::shared_ptr<const kube::Pod> pod;
  std::shared_ptr<const kube::PodStatus> status;
  const PodObservation* observed = nullptr;  // valid until the loop turns
  bool stopping = false;
};

class PodManager {
 public:
  explicit PodManager(PodContext& context);
  ~PodManager();

  // Learns what the runtime and the disk hold from before. Call once, before anything else; nothing is touched yet.
  Awaitable<Result<void>> start();
  // The pods that an earlier agent left, as it knew them: for sources that carry on from there. Until sources_ready().
  [[nodiscard]] const std::vector<PodView>& remembered() const { return remembered_; }
  // Every source has delivered all it has: pods that nobody wants may be stopped, and wanted ones started.
  void sources_ready();
  // Leaves every pod as it is and ends the workers.
  Awaitable<void> stop();

  // The pod is wanted like this. A pod of the same name but another UID starts when the earlier one is gone.
  void upsert(std::shared_ptr<const kube::Pod> pod);
  // The pod is not wanted any more: it is stopped with its own grace period (or `grace`, where given) and removed.
  void remove(const std::string& uid, std::optional<std::int64_t> grace = std::nullopt);

  // The pod has failed, for `why` (eviction, shutdown): it is stopped with `grace` seconds, shows Failed, and stays so.
  void end(const std::string& uid, Waiting why, std::int64_t grace);

  // The runtime says that something happened to this container or sandbox.
  void runtime_changed(const std::string& container_id, const std::string& sandbox_id);
  // Anything may have happened: lists the runtime once and looks closer at pods that differ.
  void resync();
  // Removes cgroups of pods that are gone: a runtime that undoes a cancelled start makes some after we removed ours.
  Awaitable<void> remove_stray_cgroups();

  // An object changed that these pods, or (empty) any pod, may refer to.
  void objects_changed(const std::vector<std::string>& uids);
  void probe_changed(const std::string& uid);

  // Called when a pod came, changed its status, or went.
  void on_change(std::function<void()> handler) { handlers_.push_back(std::move(handler)); }
  // Called with each new status of a pod, and with the UID of a pod of which nothing is left.
  using StatusHandler =
      std::function<void(const std::string& uid, const std::shared_ptr<const kube::PodStatus>& status)>;
  void on_status(StatusHandler handler) { status_handler_ = std::move(handler); }
  void on_gone(std::function<void(const std::string& uid)> handler) { gone_handler_ = std::move(handler); }

  [[nodiscard]] std::vector<PodView> pods() const;  // by namespace, then name
  [[nodiscard]] std::optional<PodView> find(const std::string& ns, const std::string& name) const;
  [[nodiscard]] std::optional<PodView> find_uid(const std::string& uid) const;
  [[nodiscard]] bool empty() const { return workers_.empty() && waiting_.empty(); }

 private:
  struct ListedPod;
  struct Listing;
  [[nodiscard]] std::shared_ptr<const kube::Pod> orphan_pod(const std::string& uid, const ListedPod& entry) const;
  void launch(std::shared_ptr<const kube::Pod> pod, std::optional<std::optional<std::int64_t>> stop_grace);
  void start_or_queue(std::shared_ptr<const kube::Pod> pod);
  void adopt_orphans(const Listing& listing);
  Awaitable<void> run_worker(std::string uid);
  void worker_done(const std::string& uid);
  Awaitable<Result<Listing>> list_runtime();
  Awaitable<void> resync_loop();
  void apply(const Listing& listing);
  Awaitable<void> follow_requests();
  void changed();

  PodContext& ctx_;
  std::map<std::string, std::unique_ptr<PodWorker>> workers_;        // by UID
  std::map<std::string, std::string> uid_by_key_;                    // "namespace/name" -> UID of its worker
  std::map<std::string, std::shared_ptr<const kube::Pod>> waiting_;  // by key: wanted once the earlier is gone
  std::map<std::string, std::string> uid_by_id_;                     // container or sandbox -> pod
  std::vector<std::shared_ptr<const kube::Pod>> early_;              // wanted before sources_ready()
  std::vector<PodView> remembered_;
  std::unique_ptr<Listing> first_;
  std::vector<std::function<void()>> handlers_;
  StatusHandler status_handler_;
  std::function<void(const std::string&)> gone_handler_;
  static constexpr std::size_t kMaxRemoved = 256;
  std::deque<std::string> removed_;  // UIDs of the latest pods that are gone
  Notifier resync_wanted_;
  Notifier pods_changed_;
  TaskGroup tasks_;
  bool ready_ = false;
};

}  // namespace keelson::agent
