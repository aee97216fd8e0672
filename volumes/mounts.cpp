#include "volumes/mounts.hpp"

#include "base/strings.hpp"

namespace keelson::volumes {
namespace {

Result<Propagation> translate_propagation(const kube::VolumeMount& mount) {
  const std::string& mode = mount.mount_propagation;
  if (mode.empty() || mode == "None") return Propagation::private_;
  if (mode == "HostToContainer") return Propagation::host_to_container;
  if (mode == "Bidirectional") return Propagation::bidirectional;
  return make_error(Errc::invalid_argument,
                    "volumeMount \"" + mount.name + "\": invalid MountPropagation mode: \"" + mode + "\"");
}

Result<bool> recursive_read_only(const kube::VolumeMount& mount, Propagation propagation,
                                 const RuntimeMountSupport& support) {
  const std::string& mode = mount.recursive_read_only;
  const auto refused = [&](const std::string& why) {
    return make_error(Errc::invalid_argument,
                      "volumeMount \"" + mount.name + "\": recursiveReadOnly \"" + mode + "\": " + why);
  };
  if (mode.empty() || mode == "Disabled") return false;
  if (mode != "IfPossible" && mode != "Enabled") return refused("unknown mode");
  if (!mount.read_only) return refused("needs readOnly");
  if (propagation != Propagation::private_) return refused("needs mountPropagation None");
  if (mode == "Enabled" && !support.recursive_read_only) {
    return refused("the container runtime does not support recursive read-only mounts");
  }
  return support.recursive_read_only;
}

bool has_sub_path(const kube::VolumeMount& mount) { return !mount.sub_path.empty() || !mount.sub_path_expr.empty(); }

Result<std::string> checked_sub_path(const kube::VolumeMount& mount, const ExpandSubPath& expand) {
  std::string path = mount.sub_path;
  if (!mount.sub_path_expr.empty()) {
    TRY(path, expand(mount.sub_path_expr));
  }
  if (path.empty()) return path;
  if (path.front() == '/') {
    return make_error(Errc::invalid_argument, "error SubPath `" + path + "` must not be an absolute path");
  }
  for (const std::string& part : split(path, '/')) {
    if (part == "..") {
      return make_error(Errc::invalid_argument, "unable to provision SubPath `" + path + "`: must not contain '..'");
    }
  }
  return path;
}

Error cannot_find(const std::string& volume, const char* what, const std::string& container) {
  return make_error(Errc::not_found,
                    "cannot find volume \"" + volume + "\" to " + what + " into container \"" + container + "\"");
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
    TRY(std::string path, checked_sub_path(mount, expand));
    if (path.empty()) path = ".";  // an expression that came out empty: the whole volume
    requests.push_back(
        {container.name, i, mount.name, volume->second.inner_name, volume->second.host_path, std::move(path)});
  }
  return requests;
}

Result<std::vector<ContainerMount>> make_mounts(const kube::Container& container, const MountedVolumes& volumes,
                                                const SubPathMounts& sub_paths, const RuntimeMountSupport& support) {
  std::vector<ContainerMount> mounts;
  for (std::size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const kube::VolumeMount& mount = container.volume_mounts[i];
    const auto volume = volumes.find(mount.name);
    if (volume == volumes.end() || volume->second.host_path.empty()) {
      return cannot_find(mount.name, "mount", container.name);
    }
    ContainerMount out;
    out.volume = mount.name;
    out.host_path = volume->second.host_path;
    if (has_sub_path(mount)) {
      const auto prepared = sub_paths.find(i);
      if (prepared == sub_paths.end()) {
        return make_error(Errc::internal, "subPath of volumeMount \"" + mount.name + "\" was not prepared");
      }
      out.host_path = prepared->second;
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
