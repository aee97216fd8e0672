// Security settings of pods and containers as CRI wants them. Follows kubernetes pkg/securitycontext,
// pkg/kubelet/kuberuntime/{security_context,security_context_others,helpers}.go and pkg/security/apparmor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/spec/cri_fwd.hpp"
#include "agent/spec/node_facts.hpp"
#include "base/result.hpp"
#include "kube/pod.hpp"

namespace keelson::spec {

// The user that an image names: a number, or a name that only the image's passwd file can resolve.
struct ImageUser {
  std::optional<std::int64_t> uid;
  std::string username;
};

// From ImageStatus. An image that names no user runs as root (uid 0).
[[nodiscard]] ImageUser image_user(const v1::Image& image);

// The container's settings over the pod's.
[[nodiscard]] kube::SecurityContext effective_security_context(const kube::Pod& pod, const kube::Container& container);

// The container's AppArmor profile: its own, that of the older annotation, or the pod's.
[[nodiscard]] std::optional<kube::AppArmorProfile> apparmor_profile(const kube::Pod& pod,
                                                                    const kube::Container& container);

// Any container, init or ephemeral ones included.
[[nodiscard]] bool has_privileged_container(const kube::Pod& pod);

// runAsNonRoot, where it is set: Errc::permission_denied with upstream's text, reason CreateContainerConfigError.
Result<void> verify_non_root(const kube::Pod& pod, const kube::Container& container, const ImageUser& user);

// What of a pod's identity is decided outside its spec.
struct PodSecurityFacts {
  std::vector<std::int64_t> extra_groups;  // supplemental groups from volumes (pv.beta.kubernetes.io/gid)
  // The first of the 65536 host ids of the pod's user namespace; needed where spec.hostUsers is false.
  std::optional<std::uint32_t> user_namespace_base;
};

inline constexpr std::uint32_t kUserNamespaceLength = 65536;

// Network, PID, IPC and user namespaces of the pod. Errc::failed_precondition where hostUsers is false and no range
// was given.
Result<v1::NamespaceOption> pod_namespaces(const kube::Pod& pod, const PodSecurityFacts& facts);

// `target_container_id`: for ephemeral containers, whose process namespace they join; else empty.
Result<v1::LinuxContainerSecurityContext> make_security_context(const kube::Pod& pod, const kube::Container& container,
                                                                const ImageUser& user, const NodeFacts& node,
                                                                const PodSecurityFacts& facts,
                                                                const std::string& target_container_id);

}  // namespace keelson::spec
