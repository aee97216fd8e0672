// Security settings of pods and containers (core/v1 SecurityContext, PodSecurityContext).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::kube {

struct Capabilities {
  std::vector<std::string> add;  // without the CAP_ prefix; "ALL" is allowed
  std::vector<std::string> drop;
  bool operator==(const Capabilities&) const = default;
};

struct SeLinuxOptions {
  std::string user;
  std::string role;
  std::string type;
  std::string level;
  bool operator==(const SeLinuxOptions&) const = default;
};

struct SeccompProfile {
  std::string type;               // Unconfined, RuntimeDefault, Localhost
  std::string localhost_profile;  // below the kubelet's seccomp folder; only for Localhost
  bool operator==(const SeccompProfile&) const = default;
};

struct AppArmorProfile {
  std::string type;               // Unconfined, RuntimeDefault, Localhost
  std::string localhost_profile;  // name of a loaded profile; only for Localhost
  bool operator==(const AppArmorProfile&) const = default;
};

struct SecurityContext {
  std::optional<Capabilities> capabilities;
  std::optional<bool> privileged;
  std::optional<SeLinuxOptions> se_linux_options;
  std::optional<std::int64_t> run_as_user;
  std::optional<std::int64_t> run_as_group;
  std::optional<bool> run_as_non_root;
  std::optional<bool> read_only_root_filesystem;
  std::optional<bool> allow_privilege_escalation;
  std::string proc_mount;  // Default, Unmasked
  std::optional<SeccompProfile> seccomp_profile;
  std::optional<AppArmorProfile> app_armor_profile;
  bool operator==(const SecurityContext&) const = default;
};

struct Sysctl {
  std::string name;
  std::string value;
  bool operator==(const Sysctl&) const = default;
};

struct PodSecurityContext {
  std::optional<SeLinuxOptions> se_linux_options;
  std::optional<std::int64_t> run_as_user;
  std::optional<std::int64_t> run_as_group;
  std::optional<bool> run_as_non_root;
  std::vector<std::int64_t> supplemental_groups;
  std::string supplemental_groups_policy;  // Merge, Strict
  std::optional<std::int64_t> fs_group;
  std::string fs_group_change_policy;  // OnRootMismatch, Always
  std::vector<Sysctl> sysctls;
  std::optional<SeccompProfile> seccomp_profile;
  std::optional<AppArmorProfile> app_armor_profile;
  std::string se_linux_change_policy;  // Recursive, MountOption
  bool operator==(const PodSecurityContext&) const = default;
};

}  // namespace keelson::kube
