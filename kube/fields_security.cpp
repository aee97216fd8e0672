// Field lists of security contexts.
#include "kube/fields.hpp"
#include "kube/security.hpp"

namespace keelson::kube {

template <>
struct Fields<Capabilities> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("add", o.add);
    v("drop", o.drop);
  }
};
template <>
struct Fields<SeLinuxOptions> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("user", o.user);
    v("role", o.role);
    v("type", o.type);
    v("level", o.level);
  }
};
template <>
struct Fields<SeccompProfile> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("type", o.type);
    v("localhostProfile", o.localhost_profile);
  }
};
template <>
struct Fields<AppArmorProfile> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("type", o.type);
    v("localhostProfile", o.localhost_profile);
  }
};
template <>
struct Fields<SecurityContext> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("capabilities", o.capabilities);
    v("privileged", o.privileged);
    v("seLinuxOptions", o.se_linux_options);
    v("runAsUser", o.run_as_user);
    v("runAsGroup", o.run_as_group);
    v("runAsNonRoot", o.run_as_non_root);
    v("readOnlyRootFilesystem", o.read_only_root_filesystem);
    v("allowPrivilegeEscalation", o.allow_privilege_escalation);
    v("procMount", o.proc_mount);
    v("seccompProfile", o.seccomp_profile);
    v("appArmorProfile", o.app_armor_profile);
    v.ignore("windowsOptions");
  }
};
template <>
struct Fields<Sysctl> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v.always("value", o.value);
  }
};
template <>
struct Fields<PodSecurityContext> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("seLinuxOptions", o.se_linux_options);
    v("runAsUser", o.run_as_user);
    v("runAsGroup", o.run_as_group);
    v("runAsNonRoot", o.run_as_non_root);
    v("supplementalGroups", o.supplemental_groups);
    v("supplementalGroupsPolicy", o.supplemental_groups_policy);
    v("fsGroup", o.fs_group);
    v("fsGroupChangePolicy", o.fs_group_change_policy);
    v("sysctls", o.sysctls);
    v("seccompProfile", o.seccomp_profile);
    v("appArmorProfile", o.app_armor_profile);
    v("seLinuxChangePolicy", o.se_linux_change_policy);
    v.ignore("windowsOptions");
  }
};

KEELSON_FIELDS_DEFINE(SecurityContext);
KEELSON_FIELDS_DEFINE(PodSecurityContext);

}  // namespace keelson::kube
