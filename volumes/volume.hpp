// The values that set up, use and tear down of volumes speak of.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "kube/object_set.hpp"
#include "kube/pod.hpp"

namespace keelson::volumes {

// What the kinds need to know about this node.
struct NodeFacts {
  std::string name;
  kube::StringMap labels;
  std::int64_t allocatable_memory = 0;        // bytes; bounds tmpfs volumes; 0: unknown, no bound
  std::vector<std::int64_t> huge_page_sizes;  // bytes; those of which the node has pages
};

// A volume as the containers of its pod see it.
struct MountedVolume {
  std::string name;                               // pod.spec.volumes[].name
  std::string inner_name;                         // the name on disk: the PersistentVolume's for a claim, else `name`
  std::string plugin;                             // "kubernetes.io/empty-dir"
  std::string host_path;                          // file or folder to mount; empty for a block device
  std::string device_path;                        // for volumeDevices; else empty
  std::string image;                              // an image volume: what the runtime mounts; host_path is empty
  bool read_only = false;                         // every mount of the volume is read-only
  bool selinux_relabel = false;                   // the runtime may relabel it
  std::vector<std::int64_t> supplemental_groups;  // from the PersistentVolume's gid annotation
  std::optional<std::int64_t> size_limit;         // emptyDir: bytes, enforced by eviction where the medium does not
  std::optional<SystemTime> refresh_at;           // when the content grows old by itself: a token
  bool operator==(const MountedVolume&) const = default;
};

// What a refresh did.
struct Refreshed {
  bool written = false;
  std::optional<SystemTime> refresh_at;  // as MountedVolume's
};

// By pod.spec.volumes[].name.
using MountedVolumes = std::map<std::string, MountedVolume>;

// A pod and the objects that it refers to. Shared, because an operation that hangs outlives the call that began it.
struct PodVolumes {
  std::shared_ptr<const kube::Pod> pod;
  std::shared_ptr<const kube::ObjectSet> objects;
  Nanoseconds timeout = std::chrono::seconds(123);  // the call gives up then (upstream: podAttachAndMountTimeout)
};

// One volume of one pod, with all that its kind needs, resolved; see plan.hpp.
struct VolumeRequest {
  std::shared_ptr<const kube::Pod> pod;
  std::shared_ptr<const kube::ObjectSet> objects;
  kube::Volume volume;                                       // pod.spec.volumes[i]
  std::shared_ptr<const kube::PersistentVolumeClaim> claim;  // of a persistentVolumeClaim or ephemeral volume
  std::shared_ptr<const kube::PersistentVolume> persistent_volume;
  std::string plugin;      // the kind that carries it
  std::string inner_name;  // the folder's name on disk
  bool read_only = false;  // by the claim reference or the PersistentVolume
  std::optional<std::int64_t> fs_group;
  bool fs_group_on_root_mismatch = false;  // fsGroupChangePolicy: OnRootMismatch
  bool block = false;                      // wanted in volumeDevices

  [[nodiscard]] const std::string& pod_uid() const { return pod->metadata.uid; }
};

// A volume found on disk, without its pod.
struct VolumeOnDisk {
  std::string pod_uid;
  std::string plugin;
  std::string inner_name;
  std::string path;      // pods/UID/volumes/PLUGIN/NAME
  bool mounted = false;  // something is mounted at `path` itself
  bool operator==(const VolumeOnDisk&) const = default;
};

}  // namespace keelson::volumes
