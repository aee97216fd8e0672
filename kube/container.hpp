// A pod's containers (core/v1 Container, EphemeralContainer and what they are made of).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.hpp"
#include "kube/probe.hpp"
#include "kube/quantity.hpp"
#include "kube/security.hpp"

namespace keelson::kube {

struct ContainerPort {
  std::string name;
  std::int32_t host_port = 0;  // 0: none
  std::int32_t container_port = 0;
  std::string protocol;  // TCP, UDP, SCTP
  std::string host_ip;
  bool operator==(const ContainerPort&) const = default;
};

// A pod's own field: in the environment or in a downwardAPI volume.
struct ObjectFieldSelector {
  std::string api_version;
  std::string field_path;  // e.g. "metadata.name", "metadata.labels['app']"
  bool operator==(const ObjectFieldSelector&) const = default;
};

struct ResourceFieldSelector {
  std::string container_name;  // required in volumes, optional in env
  std::string resource;        // e.g. "limits.cpu"
  Quantity divisor;            // zero: 1
  bool operator==(const ResourceFieldSelector&) const = default;
};

// configMapKeyRef and secretKeyRef have the same shape.
struct KeySelector {
  std::string name;  // of the ConfigMap or Secret
  std::string key;
  std::optional<bool> optional;
  bool operator==(const KeySelector&) const = default;
};

struct FileKeySelector {
  std::string volume_name;
  std::string path;
  std::string key;
  std::optional<bool> optional;
  bool operator==(const FileKeySelector&) const = default;
};

struct EnvVarSource {
  std::optional<ObjectFieldSelector> field_ref;
  std::optional<ResourceFieldSelector> resource_field_ref;
  std::optional<KeySelector> config_map_key_ref;
  std::optional<KeySelector> secret_key_ref;
  std::optional<FileKeySelector> file_key_ref;
  bool operator==(const EnvVarSource&) const = default;
};

struct EnvVar {
  std::string name;
  std::string value;
  std::optional<EnvVarSource> value_from;
  bool operator==(const EnvVar&) const = default;
};

// configMapRef and secretRef have the same shape.
struct EnvFromRef {
  std::string name;
  std::optional<bool> optional;
  bool operator==(const EnvFromRef&) const = default;
};

struct EnvFromSource {
  std::string prefix;
  std::optional<EnvFromRef> config_map_ref;
  std::optional<EnvFromRef> secret_ref;
  bool operator==(const EnvFromSource&) const = default;
};

struct ResourceClaimRef {
  std::string name;
  std::string request;
  bool operator==(const ResourceClaimRef&) const = default;
};

struct ResourceRequirements {
  ResourceList limits;
  ResourceList requests;
  std::vector<ResourceClaimRef> claims;
  bool operator==(const ResourceRequirements&) const = default;
};

struct ContainerResizePolicy {
  std::string resource_name;
  std::string restart_policy;  // NotRequired, RestartContainer
  bool operator==(const ContainerResizePolicy&) const = default;
};

struct ContainerRestartRule {
  struct ExitCodes {
    std::string op;  // In, NotIn
    std::vector<std::int32_t> values;
    bool operator==(const ExitCodes&) const = default;
  };
  std::string action;  // Restart, RestartAllContainers
  std::optional<ExitCodes> exit_codes;
  bool operator==(const ContainerRestartRule&) const = default;
};

struct VolumeMount {
  std::string name;
  bool read_only = false;
  std::string recursive_read_only;  // Disabled, IfPossible, Enabled
  std::string mount_path;
  std::string sub_path;
  std::string mount_propagation;  // None, HostToContainer, Bidirectional
  std::string sub_path_expr;
  bool operator==(const VolumeMount&) const = default;
};

struct VolumeDevice {
  std::string name;
  std::string device_path;
  bool operator==(const VolumeDevice&) const = default;
};

struct Container {
  std::string name;
  std::string image;
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string working_dir;
  std::vector<ContainerPort> ports;
  std::vector<EnvFromSource> env_from;
  std::vector<EnvVar> env;
  ResourceRequirements resources;
  std::vector<ContainerResizePolicy> resize_policy;
  std::string restart_policy;  // "Always" on an init container: a sidecar
  std::vector<ContainerRestartRule> restart_policy_rules;
  std::vector<VolumeMount> volume_mounts;
  std::vector<VolumeDevice> volume_devices;
  std::optional<Probe> liveness_probe;
  std::optional<Probe> readiness_probe;
  std::optional<Probe> startup_probe;
  std::optional<Lifecycle> lifecycle;
  std::string termination_message_path;
  std::string termination_message_policy;  // File, FallbackToLogsOnError
  std::string image_pull_policy;           // Always, IfNotPresent, Never
  std::optional<SecurityContext> security_context;
  bool stdin_open = false;  // "stdin"
  bool stdin_once = false;
  bool tty = false;
  bool operator==(const Container&) const = default;
};

struct EphemeralContainer : Container {
  std::string target_container_name;
  bool operator==(const EphemeralContainer&) const = default;
};

}  // namespace keelson::kube
