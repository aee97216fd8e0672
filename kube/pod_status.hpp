// PodStatus: what the node agent reports about a pod (core/v1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/container.hpp"
#include "kube/time.hpp"

namespace keelson::kube {

struct PodCondition {
  std::string type;    // PodScheduled, PodReadyToStartContainers, Initialized, ContainersReady, Ready, ...
  std::string status;  // True, False, Unknown
  std::optional<std::int64_t> observed_generation;
  std::optional<Time> last_probe_time;
  std::optional<Time> last_transition_time;
  std::string reason;
  std::string message;
  bool operator==(const PodCondition&) const = default;
};

struct ContainerStateWaiting {
  std::string reason;
  std::string message;
  bool operator==(const ContainerStateWaiting&) const = default;
};

struct ContainerStateRunning {
  std::optional<Time> started_at;
  bool operator==(const ContainerStateRunning&) const = default;
};

struct ContainerStateTerminated {
  std::int32_t exit_code = 0;
  std::int32_t signal = 0;
  std::string reason;
  std::string message;
  std::optional<Time> started_at;
  std::optional<Time> finished_at;
  std::string container_id;  // "containerd://..."
  bool operator==(const ContainerStateTerminated&) const = default;
};

// At most one is set.
struct ContainerState {
  std::optional<ContainerStateWaiting> waiting;
  std::optional<ContainerStateRunning> running;
  std::optional<ContainerStateTerminated> terminated;
  bool operator==(const ContainerState&) const = default;
};

struct VolumeMountStatus {
  std::string name;
  std::string mount_path;
  bool read_only = false;
  std::string recursive_read_only;
  bool operator==(const VolumeMountStatus&) const = default;
};

struct LinuxContainerUser {
  std::int64_t uid = 0;
  std::int64_t gid = 0;
  std::vector<std::int64_t> supplemental_groups;
  bool operator==(const LinuxContainerUser&) const = default;
};

struct ContainerUser {
  std::optional<LinuxContainerUser> linux_user;  // "linux", which gcc defines as a macro
  bool operator==(const ContainerUser&) const = default;
};

struct ContainerStatus {
  std::string name;
  ContainerState state;
  ContainerState last_state;  // JSON: lastState
  bool ready = false;
  std::int32_t restart_count = 0;
  std::string image;
  std::string image_id;      // imageID
  std::string container_id;  // containerID
  std::optional<bool> started;
  ResourceList allocated_resources;
  std::optional<ResourceRequirements> resources;
  std::vector<VolumeMountStatus> volume_mounts;
  std::optional<ContainerUser> user;
  std::string stop_signal;
  bool operator==(const ContainerStatus&) const = default;
};

// An element of podIPs and hostIPs.
struct IpEntry {
  std::string ip;
  bool operator==(const IpEntry&) const = default;
};

struct PodStatus {
  std::optional<std::int64_t> observed_generation;
  std::string phase;  // Pending, Running, Succeeded, Failed, Unknown
  std::vector<PodCondition> conditions;
  std::string message;
  std::string reason;
  std::string nominated_node_name;
  std::string host_ip;
  std::vector<IpEntry> host_ips;
  std::string pod_ip;
  std::vector<IpEntry> pod_ips;
  std::optional<Time> start_time;
  std::vector<ContainerStatus> init_container_statuses;
  std::vector<ContainerStatus> container_statuses;
  std::string qos_class;  // Guaranteed, Burstable, BestEffort
  std::vector<ContainerStatus> ephemeral_container_statuses;
  std::string resize;
  bool operator==(const PodStatus&) const = default;
};

}  // namespace keelson::kube
