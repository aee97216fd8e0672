#include "agent/pod/resize.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "agent/spec/resources.hpp"
#include "kube/codec.hpp"

namespace keelson::agent {
namespace {

constexpr std::array<const char*, 2> kResizable = {"cpu", "memory"};
constexpr const char* kPending = "PodResizePending";

using Amount = std::optional<kube::Quantity>;

Amount find(const kube::ResourceList& list, const std::string& name) {
  const auto it = list.find(name);
  return it == list.end() ? Amount() : Amount(it->second);
}

bool differs(const kube::ResourceRequirements& a, const kube::ResourceRequirements& b, const std::string& name) {
  return find(a.requests, name) != find(b.requests, name) || find(a.limits, name) != find(b.limits, name);
}

bool differs(const kube::ResourceRequirements& a, const kube::ResourceRequirements& b) {
  return std::any_of(kResizable.begin(), kResizable.end(), [&](const char* name) { return differs(a, b, name); });
}

void copy(const kube::ResourceList& from, kube::ResourceList& to) {
  for (const char* name : kResizable) {
    to.erase(name);
    if (const auto it = from.find(name); it != from.end()) to[name] = it->second;
  }
}

const kube::Container* find(const std::vector<kube::Container>& list, const std::string& name) {
  const auto it = std::find_if(list.begin(), list.end(), [&](const auto& c) { return c.name == name; });
  return it == list.end() ? nullptr : &*it;
}

bool restarts_for(const kube::Container& container, const std::string& resource) {
  const auto& policies = container.resize_policy;
  return std::any_of(policies.begin(), policies.end(), [&](const kube::ContainerResizePolicy& p) {
    return p.resource_name == resource && p.restart_policy == "RestartContainer";
  });
}

// Less of anything: such a container comes first, so that others can have what it gives back.
bool gives_back(const kube::ResourceRequirements& from, const kube::ResourceRequirements& to) {
  return spec::memory_bytes(to.limits) < spec::memory_bytes(from.limits) ||
         spec::cpu_millis(to.limits) < spec::cpu_millis(from.limits);
}

nlohmann::json summary(const std::vector<kube::Container>& containers) {
  auto out = nlohmann::json::array();
  for (const auto& c : containers) {
    kube::Container named;
    named.name = c.name;
    named.resources = c.resources;
    const auto encoded = kube::encode(named);
    out.push_back({{"name", c.name}, {"resources", encoded.value("resources", nlohmann::json::object())}});
  }
  return out;
}

std::optional<std::int64_t> wider(std::optional<std::int64_t> a, std::optional<std::int64_t> b, std::int64_t no_limit) {
  if (!a || !b) return std::nullopt;  // one of them sets no limit
  if (*a == no_limit || *b == no_limit) return no_limit;
  return std::max(*a, *b);
}

}  // namespace

bool wants_resize(const kube::Pod& desired, const kube::Pod& granted) {
  const auto any = [](const std::vector<kube::Container>& now, const std::vector<kube::Container>& before) {
    return std::any_of(now.begin(), now.end(), [&](const auto& c) {
      const auto* old = find(before, c.name);
      return old != nullptr && differs(c.resources, old->resources);
    });
  };
  return any(desired.spec.containers, granted.spec.containers) ||
         any(desired.spec.init_containers, granted.spec.init_containers);
}

kube::Pod with_resources_of(kube::Pod pod, const kube::Pod& granted) {
  ActuatedMap resources;
  for (const auto* list : {&granted.spec.containers, &granted.spec.init_containers}) {
    for (const auto& c : *list) resources[c.name] = c.resources;
  }
  return with_resources_of(std::move(pod), resources);
}

kube::Pod with_resources_of(kube::Pod pod, const ActuatedMap& actuated) {
  for (auto* list : {&pod.spec.containers, &pod.spec.init_containers}) {
    for (auto& c : *list) {
      const auto it = actuated.find(c.name);
      if (it == actuated.end()) continue;
      copy(it->second.requests, c.resources.requests);
      copy(it->second.limits, c.resources.limits);
    }
  }
  return pod;
}

std::string resize_message(const kube::Pod& pod, const std::string& what, const std::string& error) {
  nlohmann::ordered_json said;
  if (!pod.spec.init_containers.empty()) said["initContainers"] = summary(pod.spec.init_containers);
  said["containers"] = summary(pod.spec.containers);
  said["generation"] = pod.metadata.generation;
  if (!error.empty()) said["error"] = error;
  return what + ": " + said.dump();
}

bool has_resize_pending(const kube::Pod& pod) {
  const auto& list = pod.status.conditions;
  return std::any_of(list.begin(), list.end(), [](const auto& c) { return c.type == kPending; });
}

void clear_resize_pending(kube::Pod& pod) {
  std::erase_if(pod.status.conditions, [](const auto& c) { return c.type == kPending; });
}

void set_resize_pending(kube::Pod& pod, const std::string& reason, const std::string& message, SystemTime now) {
  kube::PodCondition condition;
  for (const auto& c : pod.status.conditions) {
    if (c.type == kPending) condition = c;
  }
  clear_resize_pending(pod);
  condition.type = kPending;
  condition.status = "True";
  condition.reason = reason;
  condition.message = message;
  condition.observed_generation = pod.metadata.generation;
  if (!condition.last_transition_time) condition.last_transition_time = std::chrono::floor<Seconds>(now);
  pod.status.conditions.push_back(std::move(condition));
}

ResizePlan plan_resize(const kube::Pod& pod, const PodObservation& observed, const ActuatedMap& actuated) {
  ResizePlan out;
  std::vector<ContainerResize> takes;
  const auto look_at = [&](const kube::Container& c) {
    const auto set = actuated.find(c.name);
    const auto* seen = observed.find_current(c.name);
    if (set == actuated.end() || seen == nullptr || seen->state != RunState::running) return;
    if (!differs(c.resources, set->second)) return;
    out.in_progress = true;
    const bool restart = std::any_of(kResizable.begin(), kResizable.end(), [&](const char* name) {
      return differs(c.resources, set->second, name) && restarts_for(c, name);
    });
    if (restart) {
      out.restart.insert(c.name);
      return;
    }
    const auto limit = spec::memory_bytes(c.resources.limits), before = spec::memory_bytes(set->second.limits);
    ContainerResize resize{seen->id, c.name, limit, limit > 0 && (before == 0 || limit < before)};
    (gives_back(set->second, c.resources) ? out.update : takes).push_back(std::move(resize));
  };
  for (const auto& c : pod.spec.init_containers) {
    if (spec::is_sidecar(c)) look_at(c);
  }
  for (const auto& c : pod.spec.containers) look_at(c);
  out.update.insert(out.update.end(), takes.begin(), takes.end());
  return out;
}

spec::CgroupResources widest(const spec::CgroupResources& a, const spec::CgroupResources& b) {
  spec::CgroupResources out = b;
  if (a.cpu_shares && b.cpu_shares) out.cpu_shares = std::max(*a.cpu_shares, *b.cpu_shares);
  out.cpu_quota_us = wider(a.cpu_quota_us, b.cpu_quota_us, -1);
  out.memory_bytes = wider(a.memory_bytes, b.memory_bytes, 0);
  return out;
}

}  // namespace keelson::agent
