// What protects the node from its pods, made, connected, started and ended together.
//   pods' changes -> LogRotator -> runtime (ReopenContainerLog)
//   logind -> NodeShutdown -> PodManager (end)
//   kernel log -> journal, events
//   kernel, disks -> EvictionManager -> PodManager (end), ImageCollector, the Node's conditions, admission
#pragma once

#include <functional>
#include <set>
#include <string>

#include "agent/config/options.hpp"
#include "agent/daemon/node_shutdown.hpp"
#include "agent/daemon/runtime_facts.hpp"
#include "agent/eviction/manager.hpp"
#include "agent/housekeeping/log_rotator.hpp"
#include "agent/housekeeping/oom_watcher.hpp"
#include "agent/images/image_collector.hpp"
#include "agent/node/node_object.hpp"
#include "agent/pod/manager.hpp"
#include "agent/stats/target.hpp"
#include "cri/client.hpp"

namespace keelson::agent {

// What the wiring lends; all of it outlives the Protection.
struct ProtectionNeeds {
  Executor executor;
  BlockingPool& pool;
  const Clock& clock;
  const Options& options;
  spec::NodeFacts& facts;
  cri::Client& cri;
  ImageManager& images;
  volumes::VolumeManager& volumes;
  PodManager& pods;
  spec::Cgroups& cgroups;
  Journal& journal;
  std::function<stats::NodeTarget()> node_target;
  std::function<std::vector<stats::PodTarget>()> pod_targets;
};

// Where the node's own troubles are told; without a cluster, the log is the only place.
struct ProtectionSeams {
  std::function<void(const NodeEvent&)> on_event;
  std::function<void()> on_change;  // pressure() or node_errors() are others
};

class Protection {
 public:
  explicit Protection(ProtectionNeeds needs);
  ~Protection();

  void connect(ProtectionSeams seams) { seams_ = std::move(seams); }
  // Errors: an eviction threshold that makes no sense, cgroups that cannot be set.
  Awaitable<Result<void>> start(const RuntimeFacts& runtime);
  Awaitable<void> stop();

  // MemoryPressure, DiskPressure, PIDPressure: those that hold.
  [[nodiscard]] std::set<std::string> pressure() const;
  // Why the node is not Ready, as far as is known here.
  [[nodiscard]] std::vector<std::string> node_errors() const;
  // The machine goes down: no pod is taken any more.
  [[nodiscard]] bool shutting_down() const { return shutdown_.under_way(); }

 private:
  [[nodiscard]] EvictionSeams eviction_seams();
  [[nodiscard]] std::vector<LogTarget> log_targets() const;
  [[nodiscard]] std::set<std::string> wanted_images() const;
  [[nodiscard]] bool any_limits() const;
  [[nodiscard]] bool is_critical(const kube::Pod& pod) const;
  Awaitable<Result<void>> enforce_allocatable();
  Awaitable<std::vector<PodUsage>> usage(bool disk);
  Awaitable<void> reclaim_disk();
  Awaitable<void> remove_dead_containers();
  void killed(const OomKill& kill);
  void tell(const std::string& type, const std::string& reason, const std::string& message);

  ProtectionNeeds needs_;
  ProtectionSeams seams_;
  LogRotator logs_;
  OomWatcher oom_;
  ImageCollector collector_;
  NodeShutdown shutdown_;
  std::unique_ptr<EvictionManager> eviction_;  // null before start()
  TaskGroup tasks_;
};

}  // namespace keelson::agent
