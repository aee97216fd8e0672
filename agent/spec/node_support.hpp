// What a pod asks for that this node, its kernel or its runtime does not have. A pod is refused for it before anything
// of it is made, whichever way it came here. Reasons and texts are the kubelet's (pkg/kubelet/sysctl,
// pkg/kubelet/lifecycle/{predicate,handlers}.go, pkg/security/apparmor, pkg/kubelet/userns).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/spec/node_facts.hpp"
#include "base/result.hpp"
#include "kube/pod.hpp"

namespace keelson::spec {

struct Refusal {
  std::string reason;   // "SysctlForbidden", "AppArmor", ...
  std::string message;  // `forbidden sysctl: "vm.swappiness" not allowlisted`
  bool operator==(const Refusal&) const = default;
};

// A sysctl that is neither safe nor among `allowed` (allowedUnsafeSysctls: names, or prefixes ending in '*').
[[nodiscard]] std::optional<Refusal> refuse_sysctls(const kube::Pod& pod, const std::vector<std::string>& allowed);

// Nothing where kernel and runtime have all that the pod names. The first reason wins, in upstream's order:
// supplementalGroupsPolicy, AppArmor, then what the kubelet has no words for: resource claims, stop signals.
[[nodiscard]] std::optional<Refusal> unsupported_here(const kube::Pod& pod, const NodeFacts& node);

// Errc::unimplemented where the pod wants a user namespace and the runtime's handler has none. An empty handler is the
// runtime's default.
Result<void> check_user_namespace(const kube::Pod& pod, const std::string& handler, const NodeFacts& node);

// Whether a runtime obeys the CRI's stop_signal: containerd since 2.3, CRI-O since 1.33; the CRI has no flag for it and
// others pass it over in silence. `version` as the runtime tells it: "1.6.20~ds1", "v2.2.9".
[[nodiscard]] bool has_stop_signals(std::string_view runtime, std::string_view version);

// Whether the kernel enforces AppArmor: "Y" in `parameter`, /sys/module/apparmor/parameters/enabled.
[[nodiscard]] bool has_apparmor(const std::filesystem::path& parameter = "/sys/module/apparmor/parameters/enabled");

}  // namespace keelson::spec
