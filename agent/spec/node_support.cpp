#include "agent/spec/node_support.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "agent/spec/security.hpp"
#include "base/files.hpp"

namespace keelson::spec {
namespace {

// Namespaced and without harm to other pods (pkg/kubelet/sysctl/safe_sysctls.go).
constexpr std::array<std::string_view, 12> kSafeSysctls = {"kernel.shm_rmid_forced",
                                                           "net.ipv4.ip_local_port_range",
                                                           "net.ipv4.tcp_syncookies",
                                                           "net.ipv4.ping_group_range",
                                                           "net.ipv4.ip_unprivileged_port_start",
                                                           "net.ipv4.ip_local_reserved_ports",
                                                           "net.ipv4.tcp_keepalive_time",
                                                           "net.ipv4.tcp_fin_timeout",
                                                           "net.ipv4.tcp_keepalive_intvl",
                                                           "net.ipv4.tcp_keepalive_probes",
                                                           "net.ipv4.tcp_rmem",
                                                           "net.ipv4.tcp_wmem"};

std::string dotted(std::string name) {
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

bool is_allowed_sysctl(const std::string& name, const std::vector<std::string>& allowed) {
  if (std::find(kSafeSysctls.begin(), kSafeSysctls.end(), name) != kSafeSysctls.end()) return true;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& pattern) {
    return pattern.ends_with('*') ? name.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1))
                                  : name == pattern;
  });
}

// The first container of any kind that `wants`; null for none.
template <class Predicate>
const kube::Container* find_container(const kube::PodSpec& spec, Predicate wants) {
  const kube::Container* found = nullptr;
  const auto look = [&](const auto& list) {
    const auto it = std::find_if(list.begin(), list.end(), wants);
    if (found == nullptr && it != list.end()) found = &*it;
  };
  look(spec.init_containers);
  look(spec.containers);
  look(spec.ephemeral_containers);
  return found;
}

std::optional<Refusal> refuse_groups_policy(const kube::Pod& pod, const NodeFacts& node) {
  if (node.supplemental_groups_policy || !pod.spec.security_context) return std::nullopt;
  if (pod.spec.security_context->supplemental_groups_policy != "Strict") return std::nullopt;
  return Refusal{"SupplementalGroupsPolicyNotSupported",
                 "SupplementalGroupsPolicy=Strict is not supported in this node"};
}

bool is_confined(const std::optional<kube::AppArmorProfile>& profile) {
  return profile && profile->type != "Unconfined";
}

// A pod that says Unconfined asks for nothing.
std::optional<Refusal> refuse_apparmor(const kube::Pod& pod, const NodeFacts& node) {
  if (node.apparmor) return std::nullopt;
  const auto* wants =
      find_container(pod.spec, [&](const kube::Container& c) { return is_confined(apparmor_profile(pod, c)); });
  const bool whole = pod.spec.security_context && is_confined(pod.spec.security_context->app_armor_profile);
  if (wants == nullptr && !whole) return std::nullopt;
  return Refusal{"AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"};
}

std::optional<Refusal> refuse_features(const kube::Pod& pod, const NodeFacts& node) {
  const auto refuse = [](const std::string& what) {
    return Refusal{"PodFeatureUnsupported", "Pod requires node features that are not available: " + what};
  };
  if (!pod.spec.resource_claims.empty()) {
    return refuse("spec.resourceClaims[" + pod.spec.resource_claims.front().name + "] (dynamic resource allocation)");
  }
  const auto* claims = find_container(pod.spec, [](const auto& c) { return !c.resources.claims.empty(); });
  if (claims != nullptr) return refuse("resources.claims of container " + claims->name);
  if (node.stop_signals) return std::nullopt;
  const auto* signal =
      find_container(pod.spec, [](const auto& c) { return c.lifecycle && !c.lifecycle->stop_signal.empty(); });
  if (signal != nullptr) {
    return refuse("lifecycle.stopSignal of container " + signal->name + ", which this container runtime does not have");
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> refuse_sysctls(const kube::Pod& pod, const std::vector<std::string>& allowed) {
  if (!pod.spec.security_context) return std::nullopt;
  for (const auto& sysctl : pod.spec.security_context->sysctls) {
    if (is_allowed_sysctl(dotted(sysctl.name), allowed)) continue;
    return Refusal{"SysctlForbidden", "forbidden sysctl: \"" + sysctl.name + "\" not allowlisted"};
  }
  return std::nullopt;
}

std::optional<Refusal> unsupported_here(const kube::Pod& pod, const NodeFacts& node) {
  for (const auto check : {refuse_groups_policy, refuse_apparmor, refuse_features}) {
    if (auto refusal = check(pod, node)) return refusal;
  }
  return std::nullopt;
}

Result<void> check_user_namespace(const kube::Pod& pod, const std::string& handler, const NodeFacts& node) {
  if (pod.spec.host_users.value_or(true) || node.user_namespace_handlers.count(handler) > 0) return {};
  const std::string who = handler.empty() ? "runtime" : "RuntimeClass handler \"" + handler + '"';
  return make_error(Errc::unimplemented,
                    "can't set `spec.hostUsers: false`, " + who + " does not support user namespaces");
}

bool has_stop_signals(std::string_view runtime, std::string_view version) {
  if (version.starts_with('v')) version.remove_prefix(1);
  int major = 0, minor = 0;
  const char* end = version.data() + version.size();
  const auto [dot, ec] = std::from_chars(version.data(), end, major);
  if (ec != std::errc() || dot == end || *dot != '.') return false;
  if (std::from_chars(dot + 1, end, minor).ec != std::errc()) return false;
  const auto at_least = [&](int a, int b) { return major > a || (major == a && minor >= b); };
  return (runtime == "containerd" && at_least(2, 3)) || (runtime == "cri-o" && at_least(1, 33));
}

bool has_apparmor(const std::filesystem::path& parameter) {
  const auto text = read_file(parameter);
  return text && text->starts_with('Y');
}

}  // namespace keelson::spec
