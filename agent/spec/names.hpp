// Names that others rely on: label and annotation keys, the container hash, log and data paths.
// Follows kubernetes pkg/kubelet/kuberuntime/{labels,helpers,legacy}.go and pkg/kubelet/kubelet_getters.go.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/spec/node_facts.hpp"
#include "base/result.hpp"
#include "kube/pod.hpp"

namespace keelson::spec {

inline constexpr std::string_view kPodNameLabel = "io.kubernetes.pod.name";
inline constexpr std::string_view kPodNamespaceLabel = "io.kubernetes.pod.namespace";
inline constexpr std::string_view kPodUidLabel = "io.kubernetes.pod.uid";
inline constexpr std::string_view kContainerNameLabel = "io.kubernetes.container.name";

inline constexpr std::string_view kContainerHash = "io.kubernetes.container.hash";
inline constexpr std::string_view kRestartCount = "io.kubernetes.container.restartCount";
inline constexpr std::string_view kTerminationMessagePath = "io.kubernetes.container.terminationMessagePath";
inline constexpr std::string_view kTerminationMessagePolicy = "io.kubernetes.container.terminationMessagePolicy";
inline constexpr std::string_view kPreStopHandler = "io.kubernetes.container.preStopHandler";
inline constexpr std::string_view kContainerPorts = "io.kubernetes.container.ports";
inline constexpr std::string_view kPodDeletionGracePeriod = "io.kubernetes.pod.deletionGracePeriod";
inline constexpr std::string_view kPodTerminationGracePeriod = "io.kubernetes.pod.terminationGracePeriod";

// "NAME_NAMESPACE(UID)": how upstream's messages name a pod.
[[nodiscard]] std::string pod_description(const kube::Pod& pod);

// The pod's own labels plus its name, namespace and uid.
[[nodiscard]] kube::StringMap sandbox_labels(const kube::Pod& pod);
[[nodiscard]] kube::StringMap container_labels(const kube::Pod& pod, const kube::Container& container);
// Everything the agent must know about a container once its pod's spec is gone.
[[nodiscard]] kube::StringMap container_annotations(const kube::Pod& pod, const kube::Container& container,
                                                    std::uint32_t restart_count);

// The kubelet's own number for {image, name}: FNV-32a over Go's "%#v" print of their JSON. A container whose
// annotation differs is restarted, so a node can change between kubelet and keelson without restarts.
[[nodiscard]] std::uint32_t container_hash(const kube::Container& container);

// What a container's labels and annotations say.
struct ContainerIdentity {
  std::string pod_name;
  std::string pod_namespace;
  std::string pod_uid;
  std::string name;
  std::optional<std::uint64_t> hash;
  std::uint32_t restart_count = 0;
  std::string termination_message_path;
  std::string termination_message_policy;
  std::optional<std::int64_t> deletion_grace_period_seconds;
  std::optional<std::int64_t> termination_grace_period_seconds;
  std::optional<kube::LifecycleHandler> pre_stop;
};

// Absent or unreadable values are left at their defaults: other agents' containers must not stop this one.
[[nodiscard]] ContainerIdentity container_identity(const kube::StringMap& labels, const kube::StringMap& annotations);

// Logs: /var/log/pods/NAMESPACE_NAME_UID, and below it CONTAINER/RESTARTS.log.
[[nodiscard]] std::filesystem::path pod_log_dir(const NodeFacts& node, const kube::Pod& pod);
[[nodiscard]] std::filesystem::path container_log_dir(const NodeFacts& node, const kube::Pod& pod,
                                                      std::string_view container);
// Relative to pod_log_dir, as CRI wants it: "CONTAINER/3.log".
[[nodiscard]] std::string container_log_path(std::string_view container, std::uint32_t restart_count);
// /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log; the file name is cut to 255 bytes.
[[nodiscard]] std::filesystem::path container_log_link(const NodeFacts& node, const kube::Pod& pod,
                                                       std::string_view container, std::string_view container_id);

// ROOT/pods/UID and what lies in it.
[[nodiscard]] std::filesystem::path pods_dir(const NodeFacts& node);
[[nodiscard]] std::filesystem::path pod_dir(const NodeFacts& node, std::string_view uid);
[[nodiscard]] std::filesystem::path pod_volumes_dir(const NodeFacts& node, std::string_view uid);
[[nodiscard]] std::filesystem::path pod_plugins_dir(const NodeFacts& node, std::string_view uid);
[[nodiscard]] std::filesystem::path pod_etc_hosts(const NodeFacts& node, std::string_view uid);
[[nodiscard]] std::filesystem::path container_dir(const NodeFacts& node, std::string_view uid,
                                                  std::string_view container);
[[nodiscard]] std::filesystem::path seccomp_dir(const NodeFacts& node);

// Makes a new empty file ROOT/pods/UID/containers/NAME/XXXXXXXX (8 hex digits, mode 0666) for one instance's
// termination message, and its folder (0750), and gives its path. Blocks on the disk.
Result<std::filesystem::path> create_termination_log(const NodeFacts& node, std::string_view uid,
                                                     std::string_view container);

}  // namespace keelson::spec
