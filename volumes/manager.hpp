// VolumeManager: sets up the volumes of pods before their containers start, keeps configMap and secret volumes current,
// and removes everything when the pod is gone. Upstream: pkg/kubelet/volumemanager, without its two 100 ms loops: the
// pod's worker calls, and calls again after a failure.
//
// Lives on the loop's thread. For one pod, one call at a time (its worker); pods do not wait for each other. A call
// that reaches its timeout returns deadline_exceeded and leaves what hangs running; until that ends, later calls for
// the same pod wait for it first. Errors carry the reason FailedMount and upstream's event texts.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.hpp"
#include "base/blocking_pool.hpp"
#include "base/clock.hpp"
#include "base/task_group.hpp"
#include "volumes/kind.hpp"
#include "volumes/mounts.hpp"
#include "volumes/pod_sources.hpp"
#include "volumes/usage.hpp"

namespace keelson::volumes {

inline constexpr std::string_view kFailedMount = "FailedMount";
inline constexpr Nanoseconds kTearDownTimeout = std::chrono::seconds(120);

// When to try again after a failure: 500 ms, doubling to 2 min 2 s (upstream: goroutinemap/exponentialbackoff).
// `previous` is the delay before the failed try, absent after the first failure.
[[nodiscard]] Nanoseconds next_retry(std::optional<Nanoseconds> previous);

class VolumeManager {
 public:
  // Comes with emptyDir, hostPath, configMap, secret, local, nfs and iscsi; add_pod_sources() and add_kind() take more.
  // `pool`, `mounter` and `clock` must outlive the process' jobs (in practice: the process). `root` is the agent's root
  // dir, e.g. /var/lib/keelson.
  VolumeManager(const Executor& executor, BlockingPool& pool, Mounter& mounter, const std::filesystem::path& root,
                NodeFacts node, const Clock& clock);
  ~VolumeManager();

  // Adds a kind, or replaces the one of the same plugin name. Before start().
  void add_kind(std::unique_ptr<VolumeKind> kind);

  // Adds downwardAPI and projected. `tokens`: null where there is no API server to give any; it must outlive this.
  // Before start().
  void add_pod_sources(FieldSource fields, TokenSource* tokens);
  // Called with a pod's UID when content of one of its volumes grows old by itself (a token); refresh() is due then.
  void on_refresh_due(std::function<void(const std::string& pod_uid)> handler) { refresh_due_ = std::move(handler); }

  // Makes the root dir and its pods/ folder, and a shared mount of it. Once, before anything else.
  Awaitable<Result<void>> start();
  // Ends what can be ended; jobs that hang in the kernel are left to the process' end.
  Awaitable<void> stop();

  // Sets up every volume that some container of the pod mounts or maps (other volumes are not even read). Idempotent
  // and cheap when all is set up. One error for all that failed:
  //   MountVolume.SetUp failed for volume "x" : configmap "y" not found
  // and several are joined with "; ". What was set up stays set up.
  Awaitable<Result<MountedVolumes>> set_up(PodVolumes pod);

  // Rewrites volumes whose content changed (objects, fields of the pod, tokens); true when anything was written. Call
  // it when an object that the pod refers to changed, when its labels or annotations did, and when on_refresh_due()
  // says so. An error leaves the old content.
  Awaitable<Result<bool>> refresh(PodVolumes pod);

  // Bind mounts the subPaths of a container's volumeMounts (below pods/UID/volume-subpaths) and returns their host
  // paths for make_mounts(). Call before each start of the container; cheap when there are none. `requests` comes from
  // sub_path_requests(). Error: failed to prepare subPath for volumeMount "V" of container "C": ...
  Awaitable<Result<SubPathMounts>> prepare_sub_paths(std::string pod_uid, std::vector<SubPathRequest> requests);

  // Unmounts and removes all volumes of the pod, from what is on disk: pods/UID/{volume-subpaths,volumes,plugins} are
  // gone afterwards. The pod's containers must be gone. Idempotent; call again after an error.
  Awaitable<Result<void>> tear_down(std::string pod_uid, Nanoseconds timeout = kTearDownTimeout);

  // What is on disk after a restart, by pod UID: pods that still want their volumes are set up again by their workers
  // (which adopts what is there), the others are torn down. A UID with an empty list has left-overs other than volumes.
  Awaitable<Result<std::map<std::string, std::vector<VolumeOnDisk>>>> reconstruct();

  // Bytes and inodes used by each volume of the pod that has a folder below the root dir, by inner name (a claim's: the
  // PersistentVolume's name). Unavailable while an earlier one for the pod still runs: a server may have gone.
  Awaitable<Result<std::map<std::string, VolumeUsage>>> usage(std::string pod_uid);

  // The same for the pod's emptyDirs alone, by pod.spec.volumes[].name: what eviction compares with sizeLimit.
  Awaitable<Result<std::map<std::string, EmptyDirUsage>>> empty_dir_usage(std::string pod_uid);

  [[nodiscard]] const Paths& paths() const { return context_->paths; }

 private:
  struct PodState;
  struct Batch;
  class Token;
  using PodStatePtr = std::shared_ptr<PodState>;
  using BatchPtr = std::shared_ptr<Batch>;

  PodStatePtr pod_state(const std::string& uid);
  // Waits until nothing of an earlier call runs for the pod.
  Awaitable<Result<void>> wait_idle(PodStatePtr state, SteadyTime deadline);
  // Waits until every operation of the batch has ended; the error of one that ended abnormally.
  Awaitable<Result<void>> wait_done(PodStatePtr state, BatchPtr batch, SteadyTime deadline);
  // The operations: each records its outcome in the batch that its token belongs to.
  Awaitable<void> set_up_one(std::unique_ptr<Token> token, VolumeKind* kind, std::vector<VolumeRequest> requests);
  Awaitable<void> refresh_one(std::unique_ptr<Token> token, VolumeKind* kind, VolumeRequest request);
  Awaitable<void> prepare_one(std::unique_ptr<Token> token, std::string uid, SubPathRequest request);
  Awaitable<void> tear_down_all(std::unique_ptr<Token> token, std::string uid);
  Awaitable<Result<void>> tear_down_volumes(std::string uid);
  VolumeKind* find_kind(std::string_view plugin);
  // To be held by the job that measures; an error while an earlier job of that name holds one.
  Result<std::shared_ptr<void>> begin_measuring(const std::string& name);
  // Volumes that are to be refreshed at a time.
  void set_refresh_time(PodState& state, const std::string& volume, const std::optional<SystemTime>& at);
  Awaitable<void> watch_refresh_times();
  [[nodiscard]] std::optional<SystemTime> next_refresh() const;
  void report_due();

  std::shared_ptr<const KindContext> context_;
  Jobs jobs_;
  std::map<std::string, std::unique_ptr<VolumeKind>, std::less<>> kinds_;
  std::map<std::string, PodStatePtr> pods_;  // of pods with something set up, or something running
  std::map<std::string, std::weak_ptr<void>> measuring_;  // what runs now
  std::function<void(const std::string&)> refresh_due_;
  Notifier refresh_times_changed_;  // operations -> watch_refresh_times()
  bool watching_ = false;
  TaskGroup tasks_;
};

}  // namespace keelson::volumes
