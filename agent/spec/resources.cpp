#include "agent/spec/resources.hpp"

#include <algorithm>

namespace keelson::spec {
namespace {

constexpr std::string_view kHugePagesPrefix = "hugepages-";

void add(kube::ResourceList& sum, const kube::ResourceList& list) {
  for (const auto& [name, amount] : list) {
    if (const auto [it, fresh] = sum.emplace(name, amount); !fresh) it->second += amount;
  }
}

void raise(kube::ResourceList& most, const kube::ResourceList& list) {
  for (const auto& [name, amount] : list) {
    if (const auto [it, fresh] = most.emplace(name, amount); !fresh) it->second = std::max(it->second, amount);
  }
}

// What runs at once at most: all regular containers with all sidecars, or one init container with the sidecars that
// were started before it.
kube::ResourceList aggregate(const kube::Pod& pod, kube::ResourceList kube::ResourceRequirements::*kind) {
  kube::ResourceList sum;
  for (const auto& container : pod.spec.containers) add(sum, container.resources.*kind);
  kube::ResourceList sidecars;
  kube::ResourceList init_most;
  for (const auto& container : pod.spec.init_containers) {
    const auto& own = container.resources.*kind;
    if (is_sidecar(container)) {
      add(sum, own);
      add(sidecars, own);
      raise(init_most, sidecars);
    } else {
      auto with_sidecars = own;
      add(with_sidecars, sidecars);
      raise(init_most, with_sidecars);
    }
  }
  raise(sum, init_most);
  return sum;
}

// Pod-level resources exist for these only; the API server allows no others.
bool has_pod_level(std::string_view name) {
  return name == "cpu" || name == "memory" || name.substr(0, kHugePagesPrefix.size()) == kHugePagesPrefix;
}

void replace(kube::ResourceList& sum, const kube::Pod& pod, kube::ResourceList kube::ResourceRequirements::*kind) {
  if (!pod.spec.resources) return;
  for (const auto& [name, amount] : (*pod.spec.resources).*kind) {
    if (has_pod_level(name)) sum[name] = amount;
  }
}

}  // namespace

bool is_sidecar(const kube::Container& container) { return container.restart_policy == "Always"; }

kube::Quantity amount_of(const kube::ResourceList& list, std::string_view name) {
  const auto it = list.find(std::string(name));
  return it == list.end() ? kube::Quantity() : it->second;
}

std::int64_t cpu_millis(const kube::ResourceList& list) { return amount_of(list, "cpu").milli_value(); }
std::int64_t memory_bytes(const kube::ResourceList& list) { return amount_of(list, "memory").value(); }

kube::ResourceList container_requests(const kube::Pod& pod) {
  return aggregate(pod, &kube::ResourceRequirements::requests);
}

kube::ResourceList pod_requests(const kube::Pod& pod, Overhead overhead) {
  auto sum = container_requests(pod);
  replace(sum, pod, &kube::ResourceRequirements::requests);
  if (overhead == Overhead::include) add(sum, pod.spec.overhead);
  return sum;
}

kube::ResourceList pod_limits(const kube::Pod& pod, Overhead overhead) {
  auto sum = aggregate(pod, &kube::ResourceRequirements::limits);
  replace(sum, pod, &kube::ResourceRequirements::limits);
  if (overhead == Overhead::exclude) return sum;
  for (const auto& [name, amount] : pod.spec.overhead) {
    if (const auto it = sum.find(name); it != sum.end()) it->second += amount;
  }
  return sum;
}

}  // namespace keelson::spec
