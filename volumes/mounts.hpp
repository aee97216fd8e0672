// From a container's volumeMounts and its pod's mounted volumes to what the container's config says (upstream:
// makeMounts in pkg/kubelet/kubelet_pods.go). Pure.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kube/container.hpp"
#include "volumes/volume.hpp"

namespace keelson::volumes {

enum class Propagation { private_, host_to_container, bidirectional };  // CRI's MountPropagation, same order

struct ContainerMount {
  std::string volume;          // volumeMounts[].name
  std::string host_path;       // empty where `image` is set
  std::string container_path;  // absolute
  bool read_only = false;
  bool recursive_read_only = false;
  Propagation propagation = Propagation::private_;
  bool selinux_relabel = false;
  std::string image;           // of an image volume
  std::string image_sub_path;  // the part of the image to show; empty: all
  bool operator==(const ContainerMount&) const = default;
};

struct ContainerDevice {
  std::string host_path;
  std::string container_path;
  std::string permissions;  // "mrw" or "r"
  bool operator==(const ContainerDevice&) const = default;
};

// One volumeMount that shows only a part of its volume.
struct SubPathRequest {
  std::string container;
  std::size_t index = 0;  // of container.volumeMounts
  std::string volume;     // volumeMounts[].name
  std::string inner_name;
  std::string volume_path;  // the volume's host path
  std::string sub_path;     // relative, checked, expanded
  bool operator==(const SubPathRequest&) const = default;
};

// Host path of each prepared subPath, by index in container.volumeMounts; of an image volume the path in the image.
using SubPathMounts = std::map<std::size_t, std::string>;

// Expands $(VAR) of a subPathExpr with the container's environment; an error when a variable is missing.
using ExpandSubPath = std::function<Result<std::string>(const std::string&)>;

// The container's subPath and subPathExpr mounts, checked: relative, without "..".
// Errors: error SubPath `P` must not be an absolute path; unable to provision SubPath `P`: must not contain '..'.
Result<std::vector<SubPathRequest>> sub_path_requests(const kube::Container& container, const MountedVolumes& volumes,
                                                      const ExpandSubPath& expand);

// The subPaths of image volumes, which the runtime resolves inside the image: to be merged with what is prepared.
Result<SubPathMounts> image_sub_paths(const kube::Container& container, const MountedVolumes& volumes,
                                      const ExpandSubPath& expand);

// What the node's runtime can do.
struct RuntimeMountSupport {
  bool recursive_read_only = false;
};

// Whether a runtime mounts images as volumes: containerd since 2.1, CRI-O since 1.31; others are not known to. The CRI
// has no flag for it. `version` as the runtime tells it: "1.6.20~ds1", "v2.2.9".
[[nodiscard]] bool has_image_volumes(std::string_view runtime, std::string_view version);

// The container's mounts, in the order of volumeMounts. `sub_paths` holds an entry for every one of
// sub_path_requests(). Errors: cannot find volume "V" to mount into container "C"; unknown propagation modes;
// recursiveReadOnly that the runtime cannot give.
Result<std::vector<ContainerMount>> make_mounts(const kube::Container& container, const MountedVolumes& volumes,
                                                const SubPathMounts& sub_paths, const RuntimeMountSupport& support);

// The container's volumeDevices. Error: cannot find volume "V" to pass into container "C".
Result<std::vector<ContainerDevice>> make_devices(const kube::Container& container, const MountedVolumes& volumes);

}  // namespace keelson::volumes
