#include "volumes/mounts.hpp"

#include <charconv>

#include "base/strings.hpp"

namespace keelson::volumes {
namespace {

// Upstream's waiting reason for whatever is wrong with a container's mounts.
constexpr const char* kReason = "CreateContainerConfigError";

Error refused(std::string message) { return make_error(Errc::invalid_argument, std::move(message), kReason); }

Result<Propagation> translate_propagation(const kube::VolumeMount& mount) {
  const std::string& mode = mount.mount_propagation;
  if (mode.empty() || mode == "None") return Propagation::private_;
  if (mode == "HostToContainer") return Propagation::host_to_container;
  if (mode == "Bidirectional") return Propagation::bidirectional;
  return refused("volumeMount \"" + mount.name + "\": invalid MountPropagation mode: \"" + mode + "\"");
}

Result<bool> recursive_read_only(const kube::VolumeMount& mount, Propagation propagation,
                                 const RuntimeMountSupport& support) {
  const std::string& mode = mount.recursive_read_only;
  const auto wrong = [&](const std::string& why) {
    return refused("volumeMount \"" + mount.name + "\": recursiveReadOnly \"" + mode + "\": " + why);
  };
  if (mode.empty() || mode == "Disabled") return false;
  if (mode != "IfPossible" && mode != "Enabled") return wrong("unknown mode");
  if (!mount.read_only) return wrong("needs readOnly");
  if (propagation != Propagation::private_) return wrong("needs mountPropagation None");
  if (mode == "Enabled" && !support.recursive_read_only) {
    return wrong("the container runtime does not support recursive read-only mounts");
  }
  return support.recursive_read_only;
}

bool has_sub_path(const kube::VolumeMount& mount) { return !mount.sub_path.empty() || !mount.sub_path_expr.empty(); }

Result<std::string> checked_sub_path(const kube::VolumeMount& mount, const ExpandSubPath& expand) {
  std::string path = mount.sub_path;
  if (!mount.sub_path_expr.empty()) {
    auto expanded = expand(mount.sub_path_expr);
    if (!expanded) return expanded.error().with_reason(kReason);
    path = std::move(*expanded);
  }
  if (path.empty()) return path;
  if (path.front() == '/') {
    return refused("error SubPath `" + path + "` must not be an absolute path");
  }
  for (const std::string& part : split(path, '/')) {
    if (part == "..") return refused("unable to provision SubPath `" + path + "`: must not contain '..'");
  }
  return path;
}

Error cannot_find(const std::string& volume, const char* what, const std::string& container) {
  return make_error(Errc::not_found,
                    "cannot find volume \"" + volume + "\" to " + what + " into container \"" + container + "\"",
                    kReason);
}

}  // namespace

Result<std::vector<SubPathRequest>> sub_path_requests(const kube::Container& container, const MountedVolumes& volumes,
                                                      const ExpandSubPath& expand) {
  std::vector<SubPathRequest> requests;
  for (std::size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const kube::VolumeMount& mount = container.volume_mounts[i];
    if (!has_sub_path(mount)) continue;
    const auto volume = volumes.find(mount.name);
    if (volume == volumes.end()) return cannot_find(mount.name, "mount", container.name);
    if (!volume->second.image.empty()) continue;
    TRY(std::string path, checked_sub_path(mount, expand));
    if (path.empty()) path = ".";  // an expression that came out empty: the whole volume
    requests.push_back(
        {container.name, i, mount.name, volume->second.inner_name, volume->second.host_path, std::move(path)});
  }
  return requests;
}

Result<SubPathMounts> image_sub_paths(const kube::Container& container, const MountedVolumes& volumes,
                                      const ExpandSubPath& expand) {
  SubPathMounts paths;
  for (std::size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const kube::VolumeMount& mount = container.volume_mounts[i];
    const auto volume = volumes.find(mount.name);
    if (!has_sub_path(mount) || volume == volumes.end() || volume->second.image.empty()) continue;
    TRY(paths[i], checked_sub_path(mount, expand));
  }
  return paths;
}

bool has_image_volumes(std::string_view runtime, std::string_view version) {
  if (version.starts_with('v')) version.remove_prefix(1);
  int major = 0;
  int minor = 0;
  const char* end = version.data() + version.size();
  const auto [dot, ec] = std::from_chars(version.data(), end, major);
  if (ec != std::errc() || dot == end || *dot != '.') return false;
  if (std::from_chars(dot + 1, end, minor).ec != std::errc()) return false;
  const auto at_least = [&](int a, int b) { return major > a || (major == a && minor >= b); };
  return (runtime == "containerd" && at_least(2, 1)) || (runtime == "cri-o" && at_least(1, 31));
}

Result<std::vector<ContainerMount>> make_mounts(const kube::Container& container, const MountedVolumes& volumes,
                                                const SubPathMounts& sub_paths, const RuntimeMountSupport& support) {
  std::vector<ContainerMount> mounts;
  for (std::size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const kube::VolumeMount& mount = container.volume_mounts[i];
    const auto volume = volumes.find(mount.name);
    if (volume == volumes.end() || (volume->second.host_path.empty() && volume->second.image.empty())) {
      return cannot_find(mount.name, "mount", container.name);
    }
    ContainerMount out;
    out.volume = mount.name;
    out.host_path = volume->second.host_path;
    out.image = volume->second.image;
    if (has_sub_path(mount)) {
      const auto prepared = sub_paths.find(i);
      if (prepared == sub_paths.end()) {
        return make_error(Errc::internal, "subPath of volumeMount \"" + mount.name + "\" was not prepared");
      }
      (out.image.empty() ? out.host_path : out.image_sub_path) = prepared->second;
    }
    out.container_path = mount.mount_path.starts_with('/') ? mount.mount_path : "/" + mount.mount_path;
    out.read_only = mount.read_only || volume->second.read_only;
    out.selinux_relabel = volume->second.selinux_relabel;
    TRY(out.propagation, translate_propagation(mount));
    TRY(out.recursive_read_only, recursive_read_only(mount, out.propagation, support));
    mounts.push_back(std::move(out));
  }
  return mounts;
}

Result<std::vector<ContainerDevice>> make_devices(const kube::Container& container, const MountedVolumes& volumes) {
  std::vector<ContainerDevice> devices;
  for (const kube::VolumeDevice& device : container.volume_devices) {
    const auto volume = volumes.find(device.name);
    if (volume == volumes.end() || volume->second.device_path.empty()) {
      return cannot_find(device.name, "pass", container.name);
    }
    devices.push_back({volume->second.device_path, device.device_path, volume->second.read_only ? "r" : "mrw"});
  }
  return devices;
}

}  // namespace keelson::volumes
