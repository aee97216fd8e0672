// The CRI ContainerConfig of one instance of a container.
// Follows kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/spec/cri_fwd.hpp"
#include "agent/spec/expansion.hpp"
#include "agent/spec/node_facts.hpp"
#include "agent/spec/security.hpp"
#include "base/result.hpp"
#include "kube/pod.hpp"

namespace keelson::spec {

enum class Propagation { none, host_to_container, bidirectional };

// "", None, HostToContainer, Bidirectional; else Errc::invalid_argument.
Result<Propagation> parse_propagation(std::string_view text);

// One mount; agent/ makes them from the pod's volumes, in the order of volumeMounts.
struct Mount {
  std::string host_path;  // empty where `image` is set
  std::string container_path;
  bool read_only = false;
  bool recursive_read_only = false;
  Propagation propagation = Propagation::none;
  std::string image;  // an image volume's reference
  std::string image_sub_path;
};

struct Device {
  std::string host_path;
  std::string container_path;
  std::string permissions = "rwm";
};

struct ContainerInput {
  const kube::Pod& pod;
  const kube::Container& container;
  const NodeFacts& node;
  std::string image_ref;  // what the runtime knows the image as (ImageStatus.id or a digest)
  ImageUser image_user;
  std::uint32_t restart_count = 0;
  Variables environment;  // make_environment(...).variables
  std::vector<Mount> mounts;
  std::vector<Device> devices;
  std::string etc_hosts;            // host path of the managed hosts file; empty: none is mounted
  std::string termination_log;      // create_termination_log(...); empty: none is mounted
  std::string target_container_id;  // of an ephemeral container's target
  PodSecurityFacts security;
};

// Pure. Fails with reason CreateContainerConfigError (e.g. runAsNonRoot). The container's log directory must be made by
// the caller (container_log_dir, 0755).
Result<v1::ContainerConfig> make_container_config(const ContainerInput& input);

}  // namespace keelson::spec
