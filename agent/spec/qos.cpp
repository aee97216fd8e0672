#include "agent/spec/qos.hpp"

#include <algorithm>
#include <array>

#include "agent/spec/resources.hpp"

namespace keelson::spec {
namespace {

constexpr int kGuaranteedScore = -997;
constexpr int kBestEffortScore = 1000;
constexpr std::int64_t kMinQuotaUs = 1000;
constexpr std::int64_t kSharesPerCpu = 1024;
constexpr std::int32_t kSystemCriticalPriority = 2000000000;
constexpr std::array<std::string_view, 2> kQosResources = {"cpu", "memory"};

void add_positive(kube::ResourceList& sum, const kube::ResourceList& list) {
  for (const auto name : kQosResources) {
    const auto amount = amount_of(list, name);
    if (amount.sign() > 0) sum[std::string(name)] += amount;
  }
}

bool limits_both(const kube::ResourceList& limits) {
  return std::all_of(kQosResources.begin(), kQosResources.end(),
                     [&](std::string_view name) { return amount_of(limits, name).sign() > 0; });
}

bool is_static_pod(const kube::Pod& pod) {
  const auto source = pod.metadata.annotations.find("kubernetes.io/config.source");
  return source != pod.metadata.annotations.end() && source->second != "api";
}

// Whether a limit binds the pod's cgroup: every container has it, or the pod as a whole does.
bool limit_declared(const kube::Pod& pod, std::string_view name) {
  if (pod.spec.resources && !amount_of(pod.spec.resources->limits, name).is_zero()) return true;
  const auto has = [&](const kube::Container& c) { return !amount_of(c.resources.limits, name).is_zero(); };
  return std::all_of(pod.spec.containers.begin(), pod.spec.containers.end(), has) &&
         std::all_of(pod.spec.init_containers.begin(), pod.spec.init_containers.end(), has);
}

// The part of the pod-level memory request that no container asks for, shared out evenly.
std::int64_t unclaimed_memory_each(const kube::Pod& pod) {
  if (!pod.spec.resources || pod.spec.resources->requests.empty()) return 0;
  const auto total = memory_bytes(pod.spec.resources->requests);
  const auto count = static_cast<std::int64_t>(pod.spec.containers.size() + pod.spec.init_containers.size());
  if (total == 0 || count == 0) return 0;
  return (total - memory_bytes(container_requests(pod))) / count;
}

std::int64_t smallest_memory_request(const kube::Pod& pod) {
  std::optional<std::int64_t> least;
  for (const auto& container : pod.spec.containers) {
    const auto request = memory_bytes(container.resources.requests);
    least = std::min(least.value_or(request), request);
  }
  return least.value_or(0);
}

}  // namespace

std::string_view to_string(Qos qos) {
  switch (qos) {
    case Qos::guaranteed:
      return "Guaranteed";
    case Qos::burstable:
      return "Burstable";
    case Qos::best_effort:
      return "BestEffort";
  }
  return "BestEffort";
}

Qos qos_class(const kube::Pod& pod) {
  kube::ResourceList requests;
  kube::ResourceList limits;
  bool guaranteed = true;
  if (pod.spec.resources) {
    add_positive(requests, pod.spec.resources->requests);
    add_positive(limits, pod.spec.resources->limits);
    if (!pod.spec.resources->limits.empty()) guaranteed = limits_both(pod.spec.resources->limits);
  } else {
    for (const auto* list : {&pod.spec.containers, &pod.spec.init_containers}) {
      for (const auto& container : *list) {
        add_positive(requests, container.resources.requests);
        add_positive(limits, container.resources.limits);
        guaranteed = guaranteed && limits_both(container.resources.limits);
      }
    }
  }
  if (requests.empty() && limits.empty()) return Qos::best_effort;
  return guaranteed && requests == limits ? Qos::guaranteed : Qos::burstable;
}

std::int64_t cpu_shares(std::int64_t milli_cpu) {
  constexpr std::int64_t kEnough = kMaxShares * 1000 / kSharesPerCpu;
  if (milli_cpu >= kEnough) return kMaxShares;  // also keeps the product within 64 bits
  return std::clamp(milli_cpu * kSharesPerCpu / 1000, kMinShares, kMaxShares);
}

std::int64_t cpu_quota(std::int64_t milli_cpu, std::int64_t period_us) {
  if (milli_cpu == 0) return 0;
  return std::max(milli_cpu * period_us / 1000, kMinQuotaUs);
}

std::int64_t cpu_weight(std::int64_t shares) {
  if (shares >= kMaxShares) return 10000;
  return 1 + (std::max(shares, kMinShares) - 2) * 9999 / 262142;
}

std::int64_t shares_to_milli_cpu(std::int64_t shares) {
  if (shares < kMinShares) return 0;
  return (shares * 1000 + kSharesPerCpu - 1) / kSharesPerCpu;
}

std::int64_t quota_to_milli_cpu(std::int64_t quota_us, std::int64_t period_us) {
  if (quota_us < 0 || period_us <= 0) return 0;
  return quota_us * 1000 / period_us;
}

CgroupResources pod_cgroup_resources(const kube::Pod& pod, const NodeFacts& node) {
  const auto requests = pod_requests(pod);
  const auto limits = pod_limits(pod);
  const auto qos = qos_class(pod);
  CgroupResources out;
  out.cpu_shares = qos == Qos::best_effort ? kMinShares : cpu_shares(cpu_millis(requests));
  if (qos == Qos::guaranteed || (qos == Qos::burstable && limit_declared(pod, "cpu"))) {
    out.cpu_period_us = node.cpu_cfs_quota_period_us;
    out.cpu_quota_us = node.cpu_cfs_quota ? cpu_quota(cpu_millis(limits), node.cpu_cfs_quota_period_us) : -1;
  }
  if (qos == Qos::guaranteed || (qos == Qos::burstable && limit_declared(pod, "memory"))) {
    out.memory_bytes = memory_bytes(limits);
  }
  if (node.pod_pids_limit > 0) out.pids = node.pod_pids_limit;
  for (const auto& size : node.hugepage_sizes) out.hugepage_bytes[size] = 0;
  for (const auto& [name, amount] : requests) {
    if (const auto size = hugepage_size_label(name); !size.empty()) out.hugepage_bytes[size] = amount.value();
  }
  return out;
}

std::string hugepage_size_label(std::string_view resource_name) {
  constexpr std::string_view kPrefix = "hugepages-";
  if (resource_name.substr(0, kPrefix.size()) != kPrefix) return {};
  const auto size = kube::Quantity::parse(resource_name.substr(kPrefix.size()));
  if (!size || size->sign() <= 0) return {};
  constexpr std::array<const char*, 6> kUnits = {"B", "KB", "MB", "GB", "TB", "PB"};
  std::int64_t bytes = size->value();
  std::size_t unit = 0;
  while (bytes % 1024 == 0 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + kUnits[unit];
}

bool has_critical_priority(const kube::Pod& pod) { return pod.spec.priority.value_or(0) >= kSystemCriticalPriority; }

bool is_critical_pod(const kube::Pod& pod) {
  return is_static_pod(pod) || pod.metadata.annotations.contains("kubernetes.io/config.mirror") ||
         has_critical_priority(pod);
}

int oom_score_adj(const kube::Pod& pod, const kube::Container& container, const NodeFacts& node) {
  if (pod.spec.priority_class_name == "system-node-critical" && is_critical_pod(pod)) return kGuaranteedScore;
  const auto qos = qos_class(pod);
  if (qos == Qos::guaranteed) return kGuaranteedScore;
  if (qos == Qos::best_effort || node.memory_bytes <= 0) return kBestEffortScore;
  const auto unclaimed = unclaimed_memory_each(pod);
  // __int128: a request of an exbibyte times 1000 is beyond 64 bits, and manifests come from anyone.
  const auto score_of = [&](std::int64_t request) {
    return 1000 - static_cast<__int128>(1000) * (request + unclaimed) / node.memory_bytes;
  };
  auto score = score_of(memory_bytes(container.resources.requests));
  const auto same_name = [&](const kube::Container& c) { return c.name == container.name; };
  const auto& inits = pod.spec.init_containers;
  if (is_sidecar(container) && std::any_of(inits.begin(), inits.end(), same_name)) {
    score = std::min(score, score_of(smallest_memory_request(pod)));
  }
  // Above any Guaranteed container that uses all its memory, below every BestEffort one.
  const __int128 least = kBestEffortScore + kGuaranteedScore;
  return static_cast<int>(std::clamp(score, least, static_cast<__int128>(kBestEffortScore - 1)));
}

}  // namespace keelson::spec
