#include "agent/daemon/protection.hpp"

#include <algorithm>

#include "agent/daemon/facts.hpp"
#include "agent/daemon/stat_targets.hpp"
#include "agent/housekeeping/log_files.hpp"
#include "agent/pod/status.hpp"
#include "agent/spec/names.hpp"
#include "agent/stats/reader.hpp"
#include "base/files.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

ImageGcPolicy gc_policy(const ImageGcOptions& o) {
  return {.high_percent = o.high_percent,
          .low_percent = o.low_percent,
          .minimum_age = o.minimum_age,
          .maximum_age = o.maximum_age};
}

bool is_over(const PodView& view) { return is_terminal_phase(view.status->phase); }

std::filesystem::path log_path(const spec::NodeFacts& facts, const kube::Pod& pod, const ContainerObservation& c) {
  if (!c.log_path.empty()) return c.log_path;
  return spec::pod_log_dir(facts, pod) / spec::container_log_path(c.name, c.attempt);
}

ContainerUsage container_usage(const stats::ContainerSample& c) {
  ContainerUsage out;
  if (c.usage.memory) out.memory = c.usage.memory->working_set;
  if (c.rootfs) {
    out.rootfs = c.rootfs->used;
    out.rootfs_inodes = c.rootfs->inodes_used;
  }
  if (c.logs) {
    out.logs = c.logs->used;
    out.log_inodes = c.logs->inodes_used;
  }
  return out;
}

}  // namespace

Protection::Protection(ProtectionNeeds needs)
    : needs_(std::move(needs)),
      logs_(needs_.executor, needs_.pool, needs_.cri, needs_.clock, needs_.options.protection.logs,
            [this] { return log_targets(); }),
      oom_(needs_.executor, [this](const OomKill& kill) { killed(kill); }),
      collector_(needs_.pool, needs_.cri, needs_.cri, needs_.images, needs_.clock,
                 gc_policy(needs_.options.protection.image_gc),
                 {.wanted = [this] { return wanted_images(); },
                  .on_event = [this](const std::string& type, const std::string& reason,
                                     const std::string& message) { tell(type, reason, message); }}),
      shutdown_(needs_.executor, needs_.pool, needs_.clock, needs_.pods, needs_.options.protection.shutdown,
                [this] {
                  if (shutting_down()) tell("Normal", "Shutdown", "Shutdown manager detected shutdown event");
                  if (seams_.on_change) seams_.on_change();
                }),
      tasks_(needs_.executor) {}

Protection::~Protection() = default;

Awaitable<Result<void>> Protection::start(const RuntimeFacts& runtime) {
  const auto& o = needs_.options;
  const auto& enforced = o.protection.enforce_allocatable;
  const bool of_pods = std::find(enforced.begin(), enforced.end(), "pods") != enforced.end();
  ThresholdConfig config{.hard = o.cluster.eviction_hard,
                         .soft = o.protection.eviction.soft,
                         .soft_grace_period = o.protection.eviction.soft_grace_period,
                         .minimum_reclaim = o.protection.eviction.minimum_reclaim,
                         .enforce_allocatable = of_pods};
  CO_TRY(auto thresholds, parse_thresholds(config));
  if (of_pods) CO_CHECK_OK(co_await enforce_allocatable());
  auto target = needs_.node_target();
  std::vector<stats::PodTarget> nobody;
  co_await ask_runtime(needs_.cri, target, nobody);
  EvictionManagerOptions options{.thresholds = std::move(thresholds),
                                 .transition = o.protection.eviction.pressure_transition_period,
                                 .max_pod_grace = o.protection.eviction.max_pod_grace_period,
                                 .paths = {.mount = target.mount,
                                           .proc = target.proc,
                                           .pods_cgroup = target.pods_cgroup,
                                           .nodefs = target.fs,
                                           .imagefs = target.image_fs}};
  eviction_ = std::make_unique<EvictionManager>(needs_.executor, needs_.pool, needs_.clock, std::move(options),
                                                eviction_seams());
  collector_.set_sandbox_image(runtime.sandbox_image);
  needs_.pods.on_change([this] {
    logs_.changed();
    eviction_->pods_changed();
    shutdown_.pods_changed();
  });
  auto sweep = [links = needs_.facts.container_log_dir, logs = needs_.facts.pod_log_dir] {
    return remove_dangling_links(links, logs);
  };
  const auto swept = co_await needs_.pool.run(std::move(sweep));
  if (!swept) log_warn("dangling links of logs not removed", {{"error", swept.error()}});
  tasks_.spawn("node shutdown", shutdown_.run());
  tasks_.spawn("log rotation", logs_.run());
  if (const auto opened = oom_.open()) {
    tasks_.spawn("kernel log", oom_.run());
  } else {
    log_info("the kernel log is not followed for processes that ran out of memory", {{"error", opened.error()}});
  }
  tasks_.spawn("image collection", collector_.run());
  tasks_.spawn("eviction", eviction_->run());
  co_return Result<void>();
}

Awaitable<void> Protection::stop() {
  tasks_.cancel();
  co_await tasks_.join();
  co_await logs_.stop();
  if (eviction_) co_await eviction_->stop();
}

// That a container was killed shows in its status, by the runtime; which of its processes is known here alone.
void Protection::killed(const OomKill& kill) {
  const auto victim = "victim process: " + kill.process + ", pid: " + std::to_string(kill.pid);
  if (kill.system) tell("Warning", "SystemOOM", "System OOM encountered, " + victim);
  const auto owner = owner_of_cgroup(kill.cgroup);
  const auto view = owner.pod_uid.empty() ? std::nullopt : needs_.pods.find_uid(owner.pod_uid);
  if (!view) return;
  const auto* container = view->observed->find_id(owner.container_id);
  const auto object = container == nullptr ? std::string("pod") : "container " + container->name;
  const auto key = kube::object_key(view->pod->metadata);
  needs_.journal.pod(key).step(
      object, "out of memory", Nanoseconds(0),
      (kill.system ? "the node has no memory left, " : "its memory limit is reached, ") + victim);
  log_warn("process killed for want of memory", {{"pod", key}, {"object", object}, {"process", kill.process}});
}

std::set<std::string> Protection::pressure() const {
  return eviction_ ? eviction_->conditions() : std::set<std::string>();
}

std::vector<std::string> Protection::node_errors() const {
  return shutting_down() ? std::vector<std::string>{"node is shutting down"} : std::vector<std::string>{};
}

void Protection::tell(const std::string& type, const std::string& reason, const std::string& message) {
  log_info("node event", {{"type", type}, {"reason", reason}, {"message", message}});
  if (seams_.on_event) seams_.on_event({type, reason, message});
}

EvictionSeams Protection::eviction_seams() {
  return {.usage = [this](bool disk) { return usage(disk); },
          .any_limits = [this] { return any_limits(); },
          .evict =
              [this](const std::string& uid, const std::string& message, std::int64_t grace) {
                needs_.pods.end(uid, {"Evicted", message}, grace);
              },
          .runs =
              [this](const std::string& uid) {
                const auto view = needs_.pods.find_uid(uid);
                return view && view->observed->any_running();
              },
          .reclaim_disk = [this](Signal) { return reclaim_disk(); },
          .on_conditions =
              [this](const std::set<std::string>&) {
                if (seams_.on_change) seams_.on_change();
              },
          .on_event = [this](const std::string& type, const std::string& reason,
                             const std::string& message) { tell(type, reason, message); }};
}

// The pods' cgroup may use what the node has less what is reserved; eviction keeps them some way below that.
Awaitable<Result<void>> Protection::enforce_allocatable() {
  CO_TRY(auto config, resource_config(needs_.options));
  config.memory_available.reset();
  config.nodefs_available.reset();
  MachineSize size;
  size.cpu_millis = needs_.facts.cpu_millis;
  size.memory_bytes = needs_.facts.memory_bytes;
  const auto left = node_allocatable(config, node_capacity(config, size));
  spec::CgroupResources resources;
  resources.memory_bytes = left.at("memory").value();
  resources.cpu_shares = spec::cpu_shares(left.at("cpu").milli_value());
  auto work = [cgroups = needs_.cgroups, name = spec::kubepods_cgroup(needs_.facts.cgroup_root), resources]() mutable {
    return cgroups.exists(name) ? cgroups.apply(name, resources) : Result<void>();
  };
  const auto applied = co_await needs_.pool.run(std::move(work));
  if (applied) {
    tell("Normal", "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods");
  } else {
    tell("Warning", "FailedNodeAllocatableEnforcement",
         "Failed to update Node Allocatable Limits \"" + needs_.facts.cgroup_root + "\": " + applied.error().message);
  }
  co_return Result<void>();
}

std::vector<LogTarget> Protection::log_targets() const {
  std::vector<LogTarget> out;
  for (const auto& view : needs_.pods.pods()) {
    for (const auto& c : view.observed->containers) {
      if (c.state == RunState::running) out.push_back({c.id, log_path(needs_.facts, *view.pod, c)});
    }
  }
  return out;
}

std::set<std::string> Protection::wanted_images() const {
  std::set<std::string> out;
  for (const auto& view : needs_.pods.pods()) {
    if (is_over(view)) continue;
    for (const auto* list : {&view.pod->spec.init_containers, &view.pod->spec.containers}) {
      for (const auto& c : *list) out.insert(c.image);
    }
    for (const auto& v : view.pod->spec.volumes) {
      if (v.image) out.insert(v.image->reference);
    }
  }
  return out;
}

// In a cluster, static pods are what a node needs to work; without one, the folder holds every pod there is.
bool Protection::is_critical(const kube::Pod& pod) const {
  return needs_.options.cluster.enabled() ? spec::is_critical_pod(pod) : spec::has_critical_priority(pod);
}

bool Protection::any_limits() const {
  const auto views = needs_.pods.pods();
  return std::any_of(views.begin(), views.end(),
                     [](const PodView& v) { return !is_over(v) && !v.stopping && has_storage_limits(*v.pod); });
}

Awaitable<std::vector<PodUsage>> Protection::usage(bool disk) {
  auto node = needs_.node_target();
  auto targets = needs_.pod_targets();
  if (disk) co_await ask_runtime(needs_.cri, node, targets);
  auto work = [node, targets] { return stats::take_sample(node, targets, stats::Detail::full); };
  const auto sample = co_await needs_.pool.run(std::move(work));
  std::vector<PodUsage> out;
  for (const auto& pod : sample.pods) {
    const auto view = needs_.pods.find_uid(pod.uid);
    if (!view || view->stopping || is_over(*view)) continue;
    PodUsage usage{view->pod, pod.usage.processes, {}, {}, is_critical(*view->pod)};
    for (const auto& c : pod.containers) usage.containers[c.name] = container_usage(c);
    out.push_back(std::move(usage));
  }
  if (!disk) co_return out;
  for (auto& pod : out) {
    const auto volumes = co_await needs_.volumes.empty_dir_usage(pod.pod->metadata.uid);
    if (!volumes) {
      log_warn("a pod's emptyDirs not measured",
               {{"pod", kube::object_key(pod.pod->metadata)}, {"error", volumes.error()}});
      continue;
    }
    for (const auto& [name, used] : *volumes) {
      pod.volumes[name] = {static_cast<std::uint64_t>(used.used.bytes), static_cast<std::uint64_t>(used.used.inodes),
                           used.memory};
    }
  }
  co_return out;
}

Awaitable<void> Protection::reclaim_disk() {
  co_await remove_dead_containers();
  const auto freed = co_await collector_.collect(true);
  if (!freed) log_warn("images not collected", {{"error", freed.error()}});
}

// All but the newest instance of each container, and every container of pods that are over, with their logs.
Awaitable<void> Protection::remove_dead_containers() {
  struct Dead {
    std::string id;
    std::filesystem::path log, link;
  };
  std::vector<Dead> dead;
  for (const auto& view : needs_.pods.pods()) {
    std::set<std::string> newest;
    for (const auto& c : view.observed->containers) {
      const bool is_newest = newest.insert(c.name).second;
      if (c.state != RunState::exited || (is_newest && !is_over(view))) continue;
      dead.push_back({c.id, log_path(needs_.facts, *view.pod, c),
                      spec::container_log_link(needs_.facts, *view.pod, c.name, c.id)});
    }
  }
  for (const auto& c : dead) {
    cri::v1::RemoveContainerRequest request;
    request.set_container_id(c.id);
    const auto removed = co_await needs_.cri.remove_container(std::move(request));
    if (!removed) {
      log_warn("dead container not removed", {{"container", c.id}, {"error", removed.error()}});
      continue;
    }
    auto clean = [c]() -> Result<void> {
      CHECK_OK(remove_file(c.link));
      return remove_log(c.log);
    };
    const auto cleaned = co_await needs_.pool.run(std::move(clean));
    if (!cleaned)
      log_warn("log of a dead container not removed", {{"log", c.log.string()}, {"error", cleaned.error()}});
  }
  if (!dead.empty()) needs_.pods.resync();
}

}  // namespace keelson::agent
