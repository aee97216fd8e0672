#include "agent/spec/security.hpp"

#include <algorithm>
#include <array>

#include "agent/spec/names.hpp"
#include "cri/api.pb.h"

namespace keelson::spec {
namespace {

constexpr std::array kMaskedPaths = {
    "/proc/asound",      "/proc/acpi",          "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
};
constexpr std::array kReadonlyPaths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
constexpr std::string_view kAppArmorAnnotation = "container.apparmor.security.beta.kubernetes.io/";
constexpr std::string_view kAppArmorLocal = "localhost/";
constexpr std::int64_t kMaxUid = 2147483647;

Error config_error(Errc code, std::string message) {
  return make_error(code, std::move(message), "CreateContainerConfigError");
}

template <class T>
void override_with(std::optional<T>& value, const std::optional<T>& own) {
  if (own) value = own;
}

void set_value(v1::Int64Value* out, std::int64_t value) { out->set_value(value); }

Result<v1::SecurityProfile> seccomp_profile(const kube::Pod& pod, const kube::Container& container,
                                            const NodeFacts& node) {
  const kube::SeccompProfile* profile = nullptr;
  if (pod.spec.security_context && pod.spec.security_context->seccomp_profile) {
    profile = &*pod.spec.security_context->seccomp_profile;
  }
  if (container.security_context && container.security_context->seccomp_profile) {
    profile = &*container.security_context->seccomp_profile;
  }
  v1::SecurityProfile out;
  out.set_profile_type(v1::SecurityProfile::Unconfined);
  if (profile == nullptr) {
    if (node.seccomp_default) out.set_profile_type(v1::SecurityProfile::RuntimeDefault);
  } else if (profile->type == "RuntimeDefault") {
    out.set_profile_type(v1::SecurityProfile::RuntimeDefault);
  } else if (profile->type == "Localhost") {
    if (profile->localhost_profile.empty()) {
      return config_error(Errc::invalid_argument, "localhostProfile must be set if seccompProfile type is Localhost.");
    }
    out.set_profile_type(v1::SecurityProfile::Localhost);
    out.set_localhost_ref((seccomp_dir(node) / profile->localhost_profile).string());
  }
  return out;
}

// From the annotation that came before the field; pods of manifests may still carry it.
std::optional<kube::AppArmorProfile> annotated_apparmor(const kube::Pod& pod, const kube::Container& container) {
  const auto it = pod.metadata.annotations.find(std::string(kAppArmorAnnotation) + container.name);
  if (it == pod.metadata.annotations.end()) return std::nullopt;
  if (it->second == "runtime/default") return kube::AppArmorProfile{"RuntimeDefault", {}};
  if (it->second == "unconfined") return kube::AppArmorProfile{"Unconfined", {}};
  if (it->second.starts_with(kAppArmorLocal)) {
    return kube::AppArmorProfile{"Localhost", it->second.substr(kAppArmorLocal.size())};
  }
  return std::nullopt;
}

// The string that was there before the message; runtimes that do not know the message read it.
void set_apparmor_text(std::string text, v1::LinuxContainerSecurityContext& out) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  out.set_apparmor_profile(std::move(text));
#pragma GCC diagnostic pop
}

// Both as the message and as the text.
Result<void> set_apparmor(const kube::Pod& pod, const kube::Container& container,
                          v1::LinuxContainerSecurityContext& out) {
  const auto profile = apparmor_profile(pod, container);
  if (!profile) return {};
  if (profile->type == "RuntimeDefault") {
    out.mutable_apparmor()->set_profile_type(v1::SecurityProfile::RuntimeDefault);
    set_apparmor_text("runtime/default", out);
  } else if (profile->type == "Unconfined") {
    out.mutable_apparmor()->set_profile_type(v1::SecurityProfile::Unconfined);
    set_apparmor_text("unconfined", out);
  } else if (profile->type == "Localhost") {
    if (profile->localhost_profile.empty()) {
      return config_error(Errc::invalid_argument, "missing localhost apparmor profile name");
    }
    out.mutable_apparmor()->set_profile_type(v1::SecurityProfile::Localhost);
    out.mutable_apparmor()->set_localhost_ref(profile->localhost_profile);
    set_apparmor_text(std::string(kAppArmorLocal) + profile->localhost_profile, out);
  } else {
    return config_error(Errc::invalid_argument, "unknown apparmor profile type: \"" + profile->type + '"');
  }
  return {};
}

void set_identity(const kube::SecurityContext& effective, const ImageUser& user,
                  v1::LinuxContainerSecurityContext& out) {
  if (effective.run_as_user) {
    set_value(out.mutable_run_as_user(), *effective.run_as_user);
  } else {
    if (user.uid) set_value(out.mutable_run_as_user(), *user.uid);
    out.set_run_as_username(user.username);
  }
  if (effective.run_as_group) set_value(out.mutable_run_as_group(), *effective.run_as_group);
}

Result<void> set_groups(const kube::Pod& pod, const PodSecurityFacts& facts, v1::LinuxContainerSecurityContext& out) {
  if (const auto& context = pod.spec.security_context) {
    if (context->fs_group) out.add_supplemental_groups(*context->fs_group);
    for (const auto group : context->supplemental_groups) out.add_supplemental_groups(group);
    if (const auto& policy = context->supplemental_groups_policy; !policy.empty()) {
      v1::SupplementalGroupsPolicy value{};
      if (!v1::SupplementalGroupsPolicy_Parse(policy, &value)) {
        return config_error(Errc::invalid_argument, "unsupported supplementalGroupsPolicy: " + policy);
      }
      out.set_supplemental_groups_policy(value);
    }
  }
  for (const auto group : facts.extra_groups) out.add_supplemental_groups(group);
  return {};
}

void set_rights(const kube::SecurityContext& effective, const NodeFacts& node, v1::LinuxContainerSecurityContext& out) {
  if (effective.capabilities) {
    auto& capabilities = *out.mutable_capabilities();
    for (const auto& name : effective.capabilities->add) capabilities.add_add_capabilities(name);
    for (const auto& name : effective.capabilities->drop) capabilities.add_drop_capabilities(name);
  }
  if (effective.se_linux_options) {
    auto& options = *out.mutable_selinux_options();
    options.set_user(effective.se_linux_options->user);
    options.set_role(effective.se_linux_options->role);
    options.set_type(effective.se_linux_options->type);
    options.set_level(effective.se_linux_options->level);
  }
  out.set_privileged(effective.privileged.value_or(false));
  out.set_readonly_rootfs(effective.read_only_root_filesystem.value_or(false));
  out.set_no_new_privs(!effective.allow_privilege_escalation.value_or(true));
  if (effective.proc_mount == "Unmasked") return;
  for (const char* path : kMaskedPaths) out.add_masked_paths(path);
  for (const auto& path : node.thermal_throttle_paths) out.add_masked_paths(path);
  for (const char* path : kReadonlyPaths) out.add_readonly_paths(path);
}

}  // namespace

ImageUser image_user(const v1::Image& image) {
  if (image.has_uid()) return {image.uid().value(), {}};
  if (!image.username().empty()) return {std::nullopt, image.username()};
  return {0, {}};
}

kube::SecurityContext effective_security_context(const kube::Pod& pod, const kube::Container& container) {
  kube::SecurityContext out;
  if (const auto& context = pod.spec.security_context) {
    out.se_linux_options = context->se_linux_options;
    out.run_as_user = context->run_as_user;
    out.run_as_group = context->run_as_group;
    out.run_as_non_root = context->run_as_non_root;
  }
  if (!container.security_context) return out;
  const auto& own = *container.security_context;
  override_with(out.se_linux_options, own.se_linux_options);
  override_with(out.run_as_user, own.run_as_user);
  override_with(out.run_as_group, own.run_as_group);
  override_with(out.run_as_non_root, own.run_as_non_root);
  out.capabilities = own.capabilities;
  out.privileged = own.privileged;
  out.read_only_root_filesystem = own.read_only_root_filesystem;
  out.allow_privilege_escalation = own.allow_privilege_escalation;
  out.proc_mount = own.proc_mount;
  return out;
}

std::optional<kube::AppArmorProfile> apparmor_profile(const kube::Pod& pod, const kube::Container& container) {
  if (container.security_context && container.security_context->app_armor_profile) {
    return container.security_context->app_armor_profile;
  }
  if (auto annotated = annotated_apparmor(pod, container)) return annotated;
  return pod.spec.security_context ? pod.spec.security_context->app_armor_profile : std::nullopt;
}

bool has_privileged_container(const kube::Pod& pod) {
  const auto privileged = [](const kube::Container& container) {
    return container.security_context && container.security_context->privileged.value_or(false);
  };
  const auto any = [&](const auto& list) { return std::any_of(list.begin(), list.end(), privileged); };
  return any(pod.spec.init_containers) || any(pod.spec.containers) || any(pod.spec.ephemeral_containers);
}

Result<void> verify_non_root(const kube::Pod& pod, const kube::Container& container, const ImageUser& user) {
  const auto effective = effective_security_context(pod, container);
  if (!effective.run_as_non_root.value_or(false)) return {};
  const auto where = " (pod: \"" + pod_description(pod) + "\", container: " + container.name + ')';
  if (effective.run_as_user) {
    if (*effective.run_as_user != 0) return {};
    return config_error(Errc::permission_denied, "container's runAsUser breaks non-root policy" + where);
  }
  if (!user.uid) {
    if (user.username.empty()) return {};
    return config_error(Errc::permission_denied, "container has runAsNonRoot and image has non-numeric user (" +
                                                     user.username + "), cannot verify user is non-root" + where);
  }
  if (*user.uid == 0) {
    return config_error(Errc::permission_denied, "container has runAsNonRoot and image will run as root" + where);
  }
  if (*user.uid < 0 || *user.uid > kMaxUid) {
    return config_error(Errc::permission_denied, "container has runAsNonRoot and image has an invalid user id (" +
                                                     std::to_string(*user.uid) + "). (Must be 1-(" +
                                                     std::to_string(kMaxUid) + ")): must be between 0 and " +
                                                     std::to_string(kMaxUid) + ", inclusive" + where);
  }
  return {};
}

Result<v1::NamespaceOption> pod_namespaces(const kube::Pod& pod, const PodSecurityFacts& facts) {
  v1::NamespaceOption out;
  out.set_network(pod.spec.host_network ? v1::NODE : v1::POD);
  out.set_ipc(pod.spec.host_ipc ? v1::NODE : v1::POD);
  out.set_pid(pod.spec.host_pid                                  ? v1::NODE
              : pod.spec.share_process_namespace.value_or(false) ? v1::POD
                                                                 : v1::CONTAINER);
  if (pod.spec.host_users.value_or(true)) return out;
  if (!facts.user_namespace_base) {
    return make_error(Errc::failed_precondition,
                      "spec.hostUsers is false, but no user namespace was allocated for pod " + pod_description(pod));
  }
  auto& users = *out.mutable_userns_options();
  users.set_mode(v1::POD);
  for (auto* mapping : {users.add_uids(), users.add_gids()}) {
    mapping->set_host_id(*facts.user_namespace_base);
    mapping->set_container_id(0);
    mapping->set_length(kUserNamespaceLength);
  }
  return out;
}

Result<v1::LinuxContainerSecurityContext> make_security_context(const kube::Pod& pod, const kube::Container& container,
                                                                const ImageUser& user, const NodeFacts& node,
                                                                const PodSecurityFacts& facts,
                                                                const std::string& target_container_id) {
  const auto effective = effective_security_context(pod, container);
  v1::LinuxContainerSecurityContext out;
  set_identity(effective, user, out);
  set_rights(effective, node, out);
  CHECK_OK(set_groups(pod, facts, out));
  CHECK_OK(set_apparmor(pod, container, out));
  TRY(*out.mutable_seccomp(), seccomp_profile(pod, container, node));
  TRY(*out.mutable_namespace_options(), pod_namespaces(pod, facts));
  auto& namespaces = *out.mutable_namespace_options();
  if (!target_container_id.empty() && namespaces.pid() == v1::CONTAINER) {
    namespaces.set_pid(v1::TARGET);
    namespaces.set_target_id(target_container_id);
  }
  return out;
}

}  // namespace keelson::spec
