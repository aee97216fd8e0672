#include "agent/daemon/volume_stats.hpp"

#include <algorithm>
#include <set>

#include "agent/daemon/parts.hpp"
#include "base/log.hpp"

namespace keelson::agent {
namespace {

constexpr Nanoseconds kPatience = Seconds(2);

// Which volumes take of their pod's ephemeral storage. (pkg/volume/util IsLocalEphemeralVolume)
bool is_local_ephemeral(const kube::Volume& volume) {
  return (volume.empty_dir && volume.empty_dir->medium.empty()) || volume.config_map || volume.downward_api;
}

std::optional<std::uint64_t> number(std::int64_t value) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, value));
}

stats::FsUsage fs_usage(const volumes::VolumeUsage& usage, SystemTime now) {
  stats::FsUsage out;
  out.time = now;
  out.used = number(usage.bytes);
  out.inodes_used = number(usage.inodes);
  if (!usage.filesystem) return out;
  out.capacity = number(usage.filesystem->bytes);
  out.available = number(usage.filesystem->available);
  out.inodes = number(usage.filesystem->inodes);
  out.inodes_free = number(usage.filesystem->inodes_free);
  return out;
}

}  // namespace

std::string claim_name(const kube::Pod& pod, const kube::Volume& volume) {
  if (volume.persistent_volume_claim) return volume.persistent_volume_claim->claim_name;
  return volume.ephemeral ? pod.metadata.name + "-" + volume.name : std::string();
}

std::vector<stats::VolumeSample> volume_samples(const kube::Pod& pod,
                                                const std::map<std::string, volumes::VolumeUsage>& usages,
                                                const std::map<std::string, std::string>& claimed, SystemTime now) {
  std::vector<stats::VolumeSample> out;
  for (const auto& volume : pod.spec.volumes) {
    stats::VolumeSample sample{volume.name, claim_name(pod, volume), is_local_ephemeral(volume), {}};
    auto inner = volume.name;
    if (!sample.claim.empty()) {
      const auto bound = claimed.find(sample.claim);
      if (bound == claimed.end()) continue;
      inner = bound->second;
    }
    const auto usage = usages.find(inner);
    if (usage == usages.end()) continue;
    sample.usage = fs_usage(usage->second, now);
    out.push_back(std::move(sample));
  }
  return out;
}

VolumeStats::VolumeStats(Daemon::Parts& parts, const Executor& executor, Nanoseconds period)
    : parts_(parts), period_(period), done_(executor) {}

const std::vector<stats::VolumeSample>& VolumeStats::of(const std::string& pod_uid) const {
  static const std::vector<stats::VolumeSample> none;
  const auto found = measured_.find(pod_uid);
  return found == measured_.end() ? none : found->second.samples;
}

std::vector<VolumeStats::PodPtr> VolumeStats::due_pods(Which which) {
  std::vector<PodPtr> out;
  std::set<std::string> uids;
  const auto now = parts_.clock.steady_now();
  for (const auto& view : parts_.pods.pods()) {
    const auto& uid = view.pod->metadata.uid;
    uids.insert(uid);
    const auto& list = view.pod->spec.volumes;
    const bool wanted = std::any_of(list.begin(), list.end(), [&](const kube::Volume& volume) {
      return which == Which::all || !claim_name(*view.pod, volume).empty();
    });
    if (!wanted || !view.observed || !view.observed->any_running()) continue;
    const auto found = measured_.find(uid);
    if (found == measured_.end() || now - found->second.at >= period_) out.push_back(view.pod);
  }
  std::erase_if(measured_, [&](const auto& item) { return uids.count(item.first) == 0; });
  return out;
}

Awaitable<void> VolumeStats::refresh(Which which) {
  if (busy_ || period_ < Nanoseconds(0)) co_return;
  auto pods = due_pods(which);
  if (pods.empty()) co_return;
  busy_ = true;
  parts_.tasks.spawn("volume statistics", measure(std::move(pods)));
  const SteadyTime until = std::chrono::steady_clock::now() + kPatience;
  for (bool waiting = true; busy_ && waiting;) waiting = co_await done_.wait_until(until);
}

Awaitable<void> VolumeStats::measure(std::vector<PodPtr> pods) {
  for (const auto& pod : pods) co_await measure_one(pod);
  busy_ = false;
  done_.notify();
}

Awaitable<void> VolumeStats::measure_one(PodPtr pod) {
  const auto& uid = pod->metadata.uid;
  const auto usages = co_await parts_.volumes.usage(uid);
  if (!usages) {
    log_debug("volumes not measured", {{"pod", kube::object_key(pod->metadata)}, {"error", usages.error()}});
    co_return;
  }
  auto claimed = measured_[uid].claimed;
  for (const auto& volume : pod->spec.volumes) {
    const auto claim = claim_name(*pod, volume);
    if (claim.empty() || claimed.count(claim) > 0) continue;
    const auto objects = co_await parts_.objects.gather(pod);
    if (!objects) break;
    const auto* found = objects->find_claim(pod->metadata.ns, claim);
    if (found != nullptr && !found->spec.volume_name.empty()) claimed[claim] = found->spec.volume_name;
  }
  Measured measured{parts_.clock.steady_now(), claimed, volume_samples(*pod, *usages, claimed, parts_.clock.now())};
  measured_[uid] = std::move(measured);
}

}  // namespace keelson::agent
