#include "agent/node/node_object.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/strings.hpp"

namespace keelson::agent {
namespace {

constexpr const char* kHostname = "kubernetes.io/hostname";
constexpr const char* kOs = "kubernetes.io/os";
constexpr const char* kArch = "kubernetes.io/arch";
constexpr const char* kBetaOs = "beta.kubernetes.io/os";
constexpr const char* kBetaArch = "beta.kubernetes.io/arch";
constexpr const char* kLinux = "linux";
constexpr const char* kUninitialized = "node.cloudprovider.kubernetes.io/uninitialized";
constexpr std::string_view kHugePages = "hugepages-";

// What registration sets again on a Node that exists already.
constexpr std::array<const char*, 11> kReconciledLabels = {kHostname,
                                                           "topology.kubernetes.io/zone",
                                                           "topology.kubernetes.io/region",
                                                           "failure-domain.beta.kubernetes.io/zone",
                                                           "failure-domain.beta.kubernetes.io/region",
                                                           "node.kubernetes.io/instance-type",
                                                           "beta.kubernetes.io/instance-type",
                                                           kOs,
                                                           kArch,
                                                           kBetaOs,
                                                           kBetaArch};

const std::string& hostname_of(const NodeConfig& config) {
  return config.hostname.empty() ? config.name : config.hostname;
}

// Resources that are neither Kubernetes' own nor of its domain: a device plugin's or an administrator's.
bool is_extended(const std::string& name) {
  return name.find('/') != std::string::npos && name.find("kubernetes.io/") == std::string::npos;
}

void set_addresses(const NodeConfig& config, const NodeInput& now, kube::Node& node) {
  const bool given = !config.node_ips.empty();
  if (config.external_cloud_provider && given) {
    node.metadata.annotations[kProvidedIpAnnotation] = join(config.node_ips, ",");
  } else {
    node.metadata.annotations.erase(kProvidedIpAnnotation);
  }
  auto& addresses = node.status.addresses;
  if (config.external_cloud_provider && !addresses.empty()) return;  // the provider's own stand
  std::vector<std::string> ips = config.node_ips;
  if (!given && !config.external_cloud_provider) ips.assign(now.ips.begin(), now.ips.begin() + !now.ips.empty());
  if (ips.empty() && !config.external_cloud_provider) return;  // not known now: what was known stands
  addresses.clear();
  for (const auto& ip : ips) addresses.push_back({"InternalIP", ip});
  addresses.push_back({"Hostname", hostname_of(config)});
}

void set_resources(const NodeConfig& config, const NodeInput& now, kube::NodeStatus& status) {
  for (auto& [name, amount] : node_capacity(config.resources, now.size)) status.capacity[name] = amount;
  std::erase_if(status.allocatable,
                [&](const auto& entry) { return is_extended(entry.first) && !status.capacity.contains(entry.first); });
  for (auto& [name, amount] : node_allocatable(config.resources, status.capacity)) {
    status.allocatable[name] = amount;
  }
}

void set_info(const NodeInput& now, kube::NodeStatus& status) {
  auto& info = status.node_info;
  info.machine_id = now.machine.machine_id;
  info.system_uuid = now.machine.system_uuid;
  info.boot_id = now.machine.boot_id;
  info.kernel_version = now.machine.kernel_version;
  info.os_image = now.machine.os_image;
  info.container_runtime_version =
      now.runtime_name + "://" + (now.runtime_version.empty() ? "Unknown" : now.runtime_version);
  info.kubelet_version = kKubeletVersion;
  info.kube_proxy_version.clear();  // deprecated, and false: the API wants it empty
  info.operating_system = kLinux;
  info.architecture = now.machine.architecture;
  if (now.size.swap_bytes > 0) info.swap = kube::NodeSwapStatus{now.size.swap_bytes};
}

void set_images(const NodeConfig& config, const NodeInput& now, kube::NodeStatus& status) {
  std::vector<const NodeImage*> images;
  for (const auto& image : now.images) images.push_back(&image);
  // Equal sizes in the order of their names: the runtime's own order may change from call to call.
  std::sort(images.begin(), images.end(), [](const NodeImage* a, const NodeImage* b) {
    if (a->size_bytes != b->size_bytes) return a->size_bytes > b->size_bytes;
    return std::tie(a->digests, a->tags) < std::tie(b->digests, b->tags);
  });
  if (config.max_images >= 0 && images.size() > static_cast<std::size_t>(config.max_images)) {
    images.resize(static_cast<std::size_t>(config.max_images));
  }
  status.images.clear();
  for (const NodeImage* image : images) {
    kube::ContainerImage out{image->digests, image->size_bytes};
    out.names.insert(out.names.end(), image->tags.begin(), image->tags.end());
    if (out.names.size() > kMaxImageNames) out.names.resize(kMaxImageNames);
    status.images.push_back(std::move(out));
  }
}

// Puts `wanted` in the place of the condition of its type, or at the end; the time of the last transition is the old
// one as long as the status is.
void set_condition(kube::NodeStatus& status, kube::NodeCondition wanted, SystemTime now) {
  wanted.last_heartbeat_time = now;
  wanted.last_transition_time = now;
  for (auto& condition : status.conditions) {
    if (condition.type != wanted.type) continue;
    if (condition.status == wanted.status && condition.last_transition_time) {
      wanted.last_transition_time = condition.last_transition_time;
    }
    condition = std::move(wanted);
    return;
  }
  status.conditions.push_back(std::move(wanted));
}

struct Pressure {
  const char* type;
  const char* reason;  // and the message, with and without pressure
  const char* message;
  const char* reason_without;
  const char* message_without;
};
constexpr Pressure kMemory{"MemoryPressure", "KubeletHasInsufficientMemory",
                           "kubelet has insufficient memory available", "KubeletHasSufficientMemory",
                           "kubelet has sufficient memory available"};
constexpr Pressure kDisk{"DiskPressure", "KubeletHasDiskPressure", "kubelet has disk pressure",
                         "KubeletHasNoDiskPressure", "kubelet has no disk pressure"};
constexpr Pressure kPid{"PIDPressure", "KubeletHasInsufficientPID", "kubelet has insufficient PID available",
                        "KubeletHasSufficientPID", "kubelet has sufficient PID available"};

void set_pressure(kube::NodeStatus& status, const Pressure& texts, bool pressure, SystemTime now) {
  kube::NodeCondition condition;
  condition.type = texts.type;
  condition.status = pressure ? "True" : "False";
  condition.reason = pressure ? texts.reason : texts.reason_without;
  condition.message = pressure ? texts.message : texts.message_without;
  set_condition(status, std::move(condition), now);
}

void set_ready(kube::NodeStatus& status, const NodeInput& now) {
  std::vector<std::string> errors = now.errors;
  std::vector<std::string> missing;
  for (const char* name : {"cpu", "memory", "pods", "ephemeral-storage"}) {
    if (!status.capacity.contains(name)) missing.emplace_back(name);
  }
  if (!missing.empty()) errors.push_back("missing node capacity for resources: " + join(missing, ", "));
  kube::NodeCondition condition;
  condition.type = "Ready";
  condition.status = errors.empty() ? "True" : "False";
  condition.reason = errors.empty() ? "KubeletReady" : "KubeletNotReady";
  condition.message = errors.empty() ? "kubelet is posting ready status" : joined_errors(errors);
  set_condition(status, std::move(condition), now.now);
}

std::string status_of(const kube::Node& node, const char* type) {
  const auto* condition = kube::find_condition(node.status, type);
  return condition == nullptr ? std::string() : condition->status;
}

}  // namespace

std::string joined_errors(const std::vector<std::string>& errors) {
  std::vector<std::string> once;
  for (const auto& error : errors) {
    if (std::find(once.begin(), once.end(), error) == once.end()) once.push_back(error);
  }
  return once.size() == 1 ? once.front() : "[" + join(once, ", ") + "]";
}

kube::Node initial_node(const NodeConfig& config, const NodeInput& now) {
  kube::Node node;
  node.metadata.name = config.name;
  auto& labels = node.metadata.labels;
  labels = {{kHostname, hostname_of(config)},
            {kOs, kLinux},
            {kArch, now.machine.architecture},
            {kBetaOs, kLinux},
            {kBetaArch, now.machine.architecture}};
  for (const auto& [key, value] : config.labels) labels[key] = value;
  node.spec.taints = config.taints;
  if (config.external_cloud_provider) {
    node.spec.taints.push_back({kUninitialized, "true", "NoSchedule", std::nullopt});
  }
  if (config.controller_attaches) node.metadata.annotations[kAttachDetachAnnotation] = "true";
  node.spec.provider_id = config.provider_id;
  return updated_node(config, std::move(node), now);
}

kube::Node reconciled_node(const kube::Node& initial, kube::Node existing) {
  const auto attach = initial.metadata.annotations.find(kAttachDetachAnnotation);
  if (attach == initial.metadata.annotations.end()) {
    existing.metadata.annotations.erase(kAttachDetachAnnotation);
  } else {
    existing.metadata.annotations[kAttachDetachAnnotation] = attach->second;
  }
  for (const char* label : kReconciledLabels) {
    const auto wanted = initial.metadata.labels.find(label);
    if (wanted == initial.metadata.labels.end()) continue;
    if (wanted->second.empty()) {
      existing.metadata.labels.erase(label);
    } else {
      existing.metadata.labels[label] = wanted->second;
    }
  }
  auto& capacity = existing.status.capacity;
  auto& allocatable = existing.status.allocatable;
  for (const auto& [name, amount] : initial.status.capacity) {
    if (!name.starts_with(kHugePages)) continue;
    capacity[name] = amount;
    allocatable[name] = initial.status.allocatable.at(name);
  }
  const auto gone = [&](const auto& entry) {
    return entry.first.starts_with(kHugePages) && !initial.status.capacity.contains(entry.first);
  };
  std::erase_if(capacity, gone);
  std::erase_if(allocatable, gone);
  return existing;
}

kube::Node updated_node(const NodeConfig& config, kube::Node node, const NodeInput& now) {
  node.metadata.labels[kOs] = kLinux;
  node.metadata.labels[kArch] = now.machine.architecture;
  set_addresses(config, now, node);
  set_resources(config, now, node.status);
  set_info(now, node.status);
  node.status.daemon_endpoints.kubelet_endpoint.port = config.kubelet_port;
  set_images(config, now, node.status);
  node.status.runtime_handlers = now.runtime_handlers;
  if (now.supplemental_groups_policy) node.status.features = kube::NodeFeatures{now.supplemental_groups_policy};
  set_pressure(node.status, kMemory, now.memory_pressure, now.now);
  set_pressure(node.status, kDisk, now.disk_pressure, now.now);
  set_pressure(node.status, kPid, now.pid_pressure, now.now);
  set_ready(node.status, now);
  if (now.volumes_in_use) node.status.volumes_in_use = *now.volumes_in_use;
  return node;
}

std::vector<NodeEvent> node_events(const kube::Node& before, const kube::Node& after) {
  const std::string& name = after.metadata.name;
  std::vector<NodeEvent> events;
  const auto says = [&](const std::string& reason) {
    events.push_back({"Normal", reason, "Node " + name + " status is now: " + reason});
  };
  const auto& boot = before.status.node_info.boot_id;
  if (!boot.empty() && boot != after.status.node_info.boot_id) {
    events.push_back(
        {"Warning", "Rebooted", "Node " + name + " has been rebooted, boot id: " + after.status.node_info.boot_id});
  }
  static constexpr std::array<std::array<const char*, 3>, 3> kPressures = {
      {{"MemoryPressure", "NodeHasInsufficientMemory", "NodeHasSufficientMemory"},
       {"DiskPressure", "NodeHasDiskPressure", "NodeHasNoDiskPressure"},
       {"PIDPressure", "NodeHasInsufficientPID", "NodeHasSufficientPID"}}};
  for (const auto& [type, with, without] : kPressures) {
    const std::string now = status_of(after, type);
    if (now != status_of(before, type)) says(now == "True" ? with : without);
  }
  const std::string ready = status_of(after, "Ready");
  const std::string was = status_of(before, "Ready");
  if (!was.empty() && ready != was) says(ready == "True" ? "NodeReady" : "NodeNotReady");
  if (before.spec.unschedulable != after.spec.unschedulable) {
    says(after.spec.unschedulable ? "NodeNotSchedulable" : "NodeSchedulable");
  }
  return events;
}

}  // namespace keelson::agent
