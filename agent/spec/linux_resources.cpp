#include "agent/spec/linux_resources.hpp"

#include <algorithm>

#include "agent/spec/qos.hpp"
#include "agent/spec/resources.hpp"
#include "cri/api.pb.h"

namespace keelson::spec {
namespace {

using Amount = std::optional<kube::Quantity>;

Amount find(const kube::ResourceList& list, const std::string& name) {
  const auto it = list.find(name);
  return it == list.end() ? Amount() : Amount(it->second);
}

// A request that is not there follows the limit, as the API server would have set it; "0" stays the smallest share.
v1::LinuxContainerResources base_resources(const Amount& cpu_request, const kube::Quantity& cpu_limit,
                                           const kube::Quantity& memory_limit, const NodeFacts& node) {
  v1::LinuxContainerResources out;
  out.set_cpu_shares(cpu_shares(cpu_request ? cpu_request->milli_value() : cpu_limit.milli_value()));
  out.set_memory_limit_in_bytes(memory_limit.value());
  if (node.cpu_cfs_quota) {
    out.set_cpu_period(node.cpu_cfs_quota_period_us);
    out.set_cpu_quota(cpu_quota(cpu_limit.milli_value(), node.cpu_cfs_quota_period_us));
  }
  if (node.cgroup_version == 2 && !node.kills_single_process()) {
    (*out.mutable_unified())["memory.oom.group"] = std::string(1, '1');  // a literal trips gcc 12's -Wrestrict
  }
  return out;
}

// The container's own limit, else the pod's as a whole.
kube::Quantity limit_of(const kube::Pod& pod, const kube::Container& container, std::string_view name) {
  auto own = amount_of(container.resources.limits, name);
  return own.is_zero() && pod.spec.resources ? amount_of(pod.spec.resources->limits, name) : own;
}

// Every page size gets a limit: without one the container could take them all.
void add_huge_pages(const kube::Pod& pod, const kube::Container& container, const NodeFacts& node,
                    v1::LinuxContainerResources& out) {
  std::map<std::string, std::uint64_t> wanted;
  const auto read = [&](const kube::ResourceList& limits) {
    for (const auto& [name, amount] : limits) {
      const auto size = hugepage_size_label(name);
      if (!size.empty()) wanted[size] = static_cast<std::uint64_t>(std::max<std::int64_t>(amount.value(), 0));
    }
  };
  if (pod.spec.resources) read(pod.spec.resources->limits);
  read(container.resources.limits);
  for (const auto& size : node.hugepage_sizes) {
    auto& limit = *out.add_hugepage_limits();
    limit.set_page_size(size);
    const auto it = wanted.find(size);
    limit.set_limit(it == wanted.end() ? 0 : it->second);
  }
}

// Whether LimitedSwap applies: Burstable, not critical, and a memory request that is not the limit.
bool may_swap(const kube::Pod& pod, const kube::Container& container, const NodeFacts& node) {
  if (!node.limited_swap || node.cgroup_version != 2 || node.memory_bytes <= 0) return false;
  const auto request = amount_of(container.resources.requests, "memory");
  const auto limit = amount_of(container.resources.limits, "memory");
  return qos_class(pod) == Qos::burstable && !is_critical_pod(pod) && request != limit;
}

void add_swap(const kube::Pod& pod, const kube::Container& container, const NodeFacts& node,
              v1::LinuxContainerResources& out) {
  if (!node.swap_controller) return;
  std::int64_t swap = 0;
  if (may_swap(pod, container, node)) {
    const auto request = memory_bytes(container.resources.requests);
    swap = static_cast<std::int64_t>(static_cast<__int128>(request) * node.swap_bytes / node.memory_bytes);
  }
  if (node.cgroup_version == 2) {
    (*out.mutable_unified())["memory.swap.max"] = std::to_string(swap);
  } else {
    out.set_memory_swap_limit_in_bytes(out.memory_limit_in_bytes());  // v1 limits memory and swap together
  }
}

}  // namespace

v1::LinuxContainerResources container_resources(const kube::Pod& pod, const kube::Container& container,
                                                const NodeFacts& node) {
  auto out = base_resources(find(container.resources.requests, "cpu"), limit_of(pod, container, "cpu"),
                            limit_of(pod, container, "memory"), node);
  out.set_oom_score_adj(oom_score_adj(pod, container, node));
  add_huge_pages(pod, container, node, out);
  add_swap(pod, container, node, out);
  return out;
}

v1::LinuxContainerResources sandbox_resources(const kube::Pod& pod, const NodeFacts& node) {
  const auto requests = pod_requests(pod, Overhead::exclude);
  const auto limits = pod_limits(pod, Overhead::exclude);
  return base_resources(find(requests, "cpu"), amount_of(limits, "cpu"), amount_of(limits, "memory"), node);
}

v1::LinuxContainerResources overhead_resources(const kube::Pod& pod, const NodeFacts& node) {
  if (pod.spec.overhead.empty()) return {};
  const auto cpu = amount_of(pod.spec.overhead, "cpu");
  return base_resources(cpu, cpu, amount_of(pod.spec.overhead, "memory"), node);
}

}  // namespace keelson::spec
