#include "agent/eviction/rank.hpp"

#include <algorithm>
#include <tuple>

#include "agent/spec/qos.hpp"
#include "agent/spec/resources.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using kube::Quantity;

constexpr const char* kMemory = "memory";
constexpr const char* kStorage = "ephemeral-storage";
constexpr const char* kMemoryTaint = "node.kubernetes.io/memory-pressure";

Quantity bytes(std::uint64_t n) { return Quantity::of(static_cast<std::int64_t>(n), Quantity::Format::binary_si); }

std::int64_t request_of(const kube::Pod& pod, const char* resource) {
  return spec::amount_of(spec::pod_requests(pod), resource).value();
}

// Which files count for the signal's filesystem.
DiskParts parts_of(Signal signal, bool one_disk) {
  if (one_disk) return {};
  const bool images = signal == Signal::imagefs_available || signal == Signal::imagefs_inodes_free;
  return {.rootfs = images, .logs = !images, .volumes = !images};
}

struct Rank {
  bool within_request;
  std::int32_t priority;
  std::int64_t less_excess;  // the more above its request, the smaller
  bool operator<(const Rank& other) const {
    return std::tie(within_request, priority, less_excess) <
           std::tie(other.within_request, other.priority, other.less_excess);
  }
};

Rank rank_of(const PodUsage& usage, Signal signal, bool one_disk) {
  const auto priority = usage.pod->spec.priority.value_or(0);
  if (signal == Signal::pid_available) {
    return {false, priority, -static_cast<std::int64_t>(usage.processes.value_or(0))};
  }
  std::int64_t used = 0, requested = 0;
  bool known = true;
  if (is_memory(signal)) {
    // Of whom nothing is known, nothing good is assumed: upstream evicts such pods first.
    known = usage.memory().has_value();
    used = static_cast<std::int64_t>(usage.memory().value_or(0));
    requested = request_of(*usage.pod, kMemory);
  } else if (signal == Signal::nodefs_inodes_free || signal == Signal::imagefs_inodes_free) {
    used = static_cast<std::int64_t>(disk_inodes(usage, parts_of(signal, one_disk)));
    return {false, priority, -used};  // nobody requests inodes
  } else {
    used = static_cast<std::int64_t>(disk_bytes(usage, parts_of(signal, one_disk)));
    requested = request_of(*usage.pod, kStorage);
  }
  return {known && used <= requested, priority, requested - used};
}

const kube::Container* find_container(const kube::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec.containers, &pod.spec.init_containers}) {
    for (const auto& c : *list) {
      if (c.name == name) return &c;
    }
  }
  return nullptr;
}

Quantity container_disk(const ContainerUsage& usage) {
  return bytes(usage.rootfs.value_or(0) + usage.logs.value_or(0));
}

// Every limit that the pod has, with what is used of it and what an eviction for it says.
struct Limit {
  Quantity used, limit;
  std::string message;
};

std::vector<Limit> limits_of(const PodUsage& usage) {
  std::vector<Limit> out;
  const auto& pod = *usage.pod;
  for (const auto& volume : pod.spec.volumes) {
    const auto used = usage.volumes.find(volume.name);
    if (!volume.empty_dir || !volume.empty_dir->size_limit || used == usage.volumes.end()) continue;
    const auto& limit = *volume.empty_dir->size_limit;
    out.push_back(
        {bytes(used->second.bytes), limit,
         "Usage of EmptyDir volume \"" + volume.name + "\" exceeds the limit \"" + limit.to_string() + "\". "});
  }
  if (const auto limit = spec::amount_of(spec::pod_limits(pod), kStorage); limit.sign() > 0) {
    out.push_back(
        {bytes(disk_bytes(usage, {})), limit,
         "Pod ephemeral local storage usage exceeds the total limit of containers " + limit.to_string() + ". "});
  }
  for (const auto& [name, container] : usage.containers) {
    const auto* spec = find_container(pod, name);
    if (spec == nullptr || !spec->resources.limits.contains(kStorage)) continue;
    const auto& limit = spec->resources.limits.at(kStorage);
    out.push_back(
        {container_disk(container), limit,
         "Container " + name + " exceeded its local ephemeral storage limit \"" + limit.to_string() + "\". "});
  }
  std::erase_if(out, [](const Limit& l) { return l.limit.sign() <= 0; });
  return out;
}

}  // namespace

std::optional<std::uint64_t> PodUsage::memory() const {
  std::optional<std::uint64_t> sum;
  for (const auto& [name, c] : containers) {
    if (c.memory) sum = sum.value_or(0) + *c.memory;
  }
  return sum;
}

std::uint64_t disk_bytes(const PodUsage& usage, const DiskParts& parts) {
  std::uint64_t sum = 0;
  for (const auto& [name, c] : usage.containers) {
    if (parts.rootfs) sum += c.rootfs.value_or(0);
    if (parts.logs) sum += c.logs.value_or(0);
  }
  for (const auto& [name, v] : usage.volumes) {
    if (parts.volumes && !v.in_memory) sum += v.bytes;
  }
  return sum;
}

std::uint64_t disk_inodes(const PodUsage& usage, const DiskParts& parts) {
  std::uint64_t sum = 0;
  for (const auto& [name, c] : usage.containers) {
    if (parts.rootfs) sum += c.rootfs_inodes.value_or(0);
    if (parts.logs) sum += c.log_inodes.value_or(0);
  }
  for (const auto& [name, v] : usage.volumes) {
    if (parts.volumes && !v.in_memory) sum += v.inodes;
  }
  return sum;
}

void rank_pods(std::vector<PodUsage>& pods, Signal signal, bool one_disk) {
  std::vector<std::pair<Rank, PodUsage>> ranked;
  for (auto& pod : pods) {
    const auto rank = rank_of(pod, signal, one_disk);
    ranked.emplace_back(rank, std::move(pod));
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  pods.clear();
  for (auto& [rank, pod] : ranked) pods.push_back(std::move(pod));
}

std::string eviction_message(const Threshold& threshold, const Observation& seen, const PodUsage& usage) {
  const auto resource = std::string(resource_of(threshold.signal));
  std::string out = "The node was low on resource: " + resource +
                    ". Threshold quantity: " + threshold.value.of(seen.capacity).to_string() +
                    ", available: " + seen.available.to_string() + ". ";
  if (resource != kMemory && resource != kStorage) return out;
  for (const auto& c : usage.pod->spec.containers) {
    const auto found = usage.containers.find(c.name);
    if (found == usage.containers.end()) continue;
    if (resource == kMemory && !found->second.memory) continue;
    const auto used = resource == kMemory ? bytes(*found->second.memory) : container_disk(found->second);
    const auto requested = spec::amount_of(c.resources.requests, resource);
    if (used <= requested) continue;
    out += "Container " + c.name + " was using " + used.to_string() + ", request is " + requested.to_string() +
           ", has larger consumption of " + resource + ". ";
  }
  return out;
}

std::optional<std::string> exceeded_limit(const PodUsage& usage) {
  for (auto& limit : limits_of(usage)) {
    if (limit.used > limit.limit) return std::move(limit.message);
  }
  return std::nullopt;
}

bool has_storage_limits(const kube::Pod& pod) {
  const auto& volumes = pod.spec.volumes;
  return std::any_of(volumes.begin(), volumes.end(),
                     [](const auto& v) { return v.empty_dir && v.empty_dir->size_limit; }) ||
         spec::amount_of(spec::pod_limits(pod), kStorage).sign() > 0 ||
         std::any_of(pod.spec.containers.begin(), pod.spec.containers.end(),
                     [](const auto& c) { return c.resources.limits.contains(kStorage); });
}

double limit_share(const PodUsage& usage) {
  double most = 0;
  for (const auto& limit : limits_of(usage)) {
    most = std::max(most, static_cast<double>(limit.used.value()) / static_cast<double>(limit.limit.value()));
  }
  return most;
}

std::optional<std::string> refused_under_pressure(const kube::Pod& pod, const std::vector<std::string>& conditions) {
  if (conditions.empty()) return std::nullopt;
  if (conditions == std::vector<std::string>{"MemoryPressure"}) {
    if (spec::qos_class(pod) != spec::Qos::best_effort) return std::nullopt;
    const auto& all = pod.spec.tolerations;
    const bool tolerated = std::any_of(all.begin(), all.end(), [](const kube::Toleration& t) {
      const bool effect = t.effect.empty() || t.effect == "NoSchedule";
      return effect &&
             ((t.key == kMemoryTaint && (t.op == "Exists" || t.value.empty())) || (t.key.empty() && t.op == "Exists"));
    });
    if (tolerated) return std::nullopt;
  }
  return "The node had condition: [" + join(conditions, " ") + "]. ";
}

}  // namespace keelson::agent
