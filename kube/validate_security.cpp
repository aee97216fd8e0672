// Security contexts.
#include <algorithm>

#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

constexpr std::int64_t kMaxId = 2147483647;

void check_id(const std::optional<std::int64_t>& id, const FieldPath& at, FieldErrors& errors) {
  if (id && (*id < 0 || *id > kMaxId)) errors.invalid(at, *id, "must be between 0 and 2147483647, inclusive");
}

// seccompProfile and appArmorProfile have the same rules; only seccomp's profile is a path.
template <class Profile>
void check_profile(const std::optional<Profile>& profile, bool is_path, const FieldPath& at, FieldErrors& errors) {
  if (!profile) return;
  errors.one_of(at / "type", profile->type, {"Localhost", "RuntimeDefault", "Unconfined"}, true);
  if (profile->type == "Localhost") {
    check_present(profile->localhost_profile, at / "localhostProfile", errors);
    if (is_path && !profile->localhost_profile.empty()) {
      errors.check(at / "localhostProfile", profile->localhost_profile,
                   check_relative_path(profile->localhost_profile));
    }
  } else if (!profile->localhost_profile.empty()) {
    errors.invalid(at / "localhostProfile", profile->localhost_profile, "can only be set when `type` is Localhost");
  }
}

void check_sysctls(const std::vector<Sysctl>& sysctls, const FieldPath& at, FieldErrors& errors) {
  NameSet seen;
  for (std::size_t i = 0; i < sysctls.size(); ++i) {
    check_required(sysctls[i].name, check_sysctl_name, at[i] / "name", errors);
    if (!seen.insert(sysctls[i].name).second) errors.duplicate(at[i] / "name", sysctls[i].name);
  }
}

}  // namespace

void check_security(const SecurityContext& context, const FieldPath& at, FieldErrors& errors) {
  check_id(context.run_as_user, at / "runAsUser", errors);
  check_id(context.run_as_group, at / "runAsGroup", errors);
  errors.one_of(at / "procMount", context.proc_mount, {"Default", "Unmasked"});
  check_profile(context.seccomp_profile, true, at / "seccompProfile", errors);
  check_profile(context.app_armor_profile, false, at / "appArmorProfile", errors);
  if (context.allow_privilege_escalation.value_or(true)) return;
  FieldPath here = at / "allowPrivilegeEscalation";
  if (context.privileged.value_or(false)) {
    errors.invalid(here, "false", "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
  }
  if (!context.capabilities) return;
  const auto& added = context.capabilities->add;
  if (std::find(added.begin(), added.end(), "SYS_ADMIN") != added.end() ||
      std::find(added.begin(), added.end(), "CAP_SYS_ADMIN") != added.end()) {
    errors.invalid(here, "false", "cannot set `allowPrivilegeEscalation` to false and add the capability SYS_ADMIN");
  }
}

void check_security(const PodSecurityContext& context, const FieldPath& at, FieldErrors& errors) {
  check_id(context.run_as_user, at / "runAsUser", errors);
  check_id(context.run_as_group, at / "runAsGroup", errors);
  check_id(context.fs_group, at / "fsGroup", errors);
  for (std::size_t i = 0; i < context.supplemental_groups.size(); ++i) {
    check_id(context.supplemental_groups[i], (at / "supplementalGroups")[i], errors);
  }
  errors.one_of(at / "supplementalGroupsPolicy", context.supplemental_groups_policy, {"Merge", "Strict"});
  errors.one_of(at / "fsGroupChangePolicy", context.fs_group_change_policy, {"OnRootMismatch", "Always"});
  check_sysctls(context.sysctls, at / "sysctls", errors);
  check_profile(context.seccomp_profile, true, at / "seccompProfile", errors);
  check_profile(context.app_armor_profile, false, at / "appArmorProfile", errors);
}

}  // namespace keelson::kube
