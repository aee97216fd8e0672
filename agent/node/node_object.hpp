// This node as a Node object: what it is registered as, and its status as things are now. Pure; after upstream's
// pkg/kubelet/kubelet_node_status.go and pkg/kubelet/nodestatus/setters.go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/node/machine_facts.hpp"
#include "agent/node/node_resources.hpp"
#include "kube/node.hpp"

namespace keelson::agent {

// The kubelet release whose behaviour and API version the node shows: the control plane's version skew policy looks at
// nodeInfo.kubeletVersion.
inline constexpr const char* kKubeletVersion = "v1.35.4";
inline constexpr const char* kAttachDetachAnnotation = "volumes.kubernetes.io/controller-managed-attach-detach";
inline constexpr const char* kProvidedIpAnnotation = "alpha.kubernetes.io/provided-node-ip";
inline constexpr std::size_t kMaxImageNames = 5;

// What the configuration says of the node; the same as long as the agent runs.
struct NodeConfig {
  std::string name;
  std::string hostname;    // for the label and the address; empty: `name`
  kube::StringMap labels;  // --node-labels, checked by parse_node_labels()
  std::vector<kube::Taint> taints;
  std::string provider_id;
  bool register_node = true;             // false: somebody else creates the Node, it is waited for
  bool external_cloud_provider = false;  // --cloud-provider=external
  bool controller_attaches = true;       // enableControllerAttachDetach
  std::vector<std::string> node_ips;     // --node-ip: at most one of each family; empty: NodeInput::ips' first
  ResourceConfig resources;
  std::int32_t max_images = 50;  // nodeStatusMaxImages; -1: all
  std::int32_t kubelet_port = 10250;
};

struct NodeImage {
  std::vector<std::string> digests;  // RepoDigests
  std::vector<std::string> tags;     // RepoTags
  std::int64_t size_bytes = 0;
  bool operator==(const NodeImage&) const = default;
};

// What may change while the agent runs, gathered by its owner.
struct NodeInput {
  SystemTime now{};
  std::vector<std::string> ips;  // found on this machine, the preferred one first
  MachineFacts machine;
  MachineSize size;
  std::string runtime_name;     // "containerd"
  std::string runtime_version;  // empty: "Unknown"
  std::vector<kube::NodeRuntimeHandler> runtime_handlers;
  std::optional<bool> supplemental_groups_policy;          // unset: the runtime has not said
  std::vector<NodeImage> images;                           // in any order
  std::optional<std::vector<std::string>> volumes_in_use;  // unset: volumes of before a restart are not known yet
  bool memory_pressure = false;
  bool disk_pressure = false;
  bool pid_pressure = false;
  std::vector<std::string> errors;       // why the node is not Ready, in upstream's order: see runtime_health.hpp
  std::optional<SteadyTime> recheck_at;  // when time alone changes this (RuntimeHealth::due)
};

// The Node to create: labels, taints, annotations, providerID, and the status that `now` gives.
[[nodiscard]] kube::Node initial_node(const NodeConfig& config, const NodeInput& now);

// `existing` with what registration brings in line on a Node that was there before: the attach-detach annotation, the
// well-known labels, the sizes of huge pages. Its other labels and its taints are left as the cluster has them.
[[nodiscard]] kube::Node reconciled_node(const kube::Node& initial, kube::Node existing);

// `before` with the status as things are now, and with the labels that every status update restores. Conditions keep
// their lastTransitionTime while their status stays; conditions of others stay as they are.
[[nodiscard]] kube::Node updated_node(const NodeConfig& config, kube::Node before, const NodeInput& now);

// What Ready says when several things are wrong: "a", or "[a, b]"; each text once.
[[nodiscard]] std::string joined_errors(const std::vector<std::string>& errors);

// Events about the Node itself that a change of its status calls for.
struct NodeEvent {
  std::string type;  // Normal, Warning
  std::string reason;
  std::string message;
  bool operator==(const NodeEvent&) const = default;
};

// NodeReady, NodeHasDiskPressure, Rebooted, NodeNotSchedulable, ... from `before` (an empty Node before creation).
[[nodiscard]] std::vector<NodeEvent> node_events(const kube::Node& before, const kube::Node& after);

}  // namespace keelson::agent
