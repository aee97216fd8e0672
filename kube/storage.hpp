// PersistentVolume and PersistentVolumeClaim (core/v1).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kube/meta.hpp"
#include "kube/node_selector.hpp"
#include "kube/storage_spec.hpp"

namespace keelson::kube {

struct LocalVolumeSource {
  std::string path;
  std::optional<std::string> fs_type;
  bool operator==(const LocalVolumeSource&) const = default;
};

struct CsiPersistentVolumeSource {
  std::string driver;
  std::string volume_handle;
  bool read_only = false;
  std::string fs_type;
  StringMap volume_attributes;
  std::optional<SecretReference> controller_publish_secret_ref;
  std::optional<SecretReference> node_stage_secret_ref;
  std::optional<SecretReference> node_publish_secret_ref;
  std::optional<SecretReference> controller_expand_secret_ref;
  std::optional<SecretReference> node_expand_secret_ref;
  bool operator==(const CsiPersistentVolumeSource&) const = default;
};

struct VolumeNodeAffinity {
  std::optional<NodeSelector> required;
  bool operator==(const VolumeNodeAffinity&) const = default;
};

struct PersistentVolumeSpec {
  ResourceList capacity;
  std::optional<HostPathVolumeSource> host_path;
  std::optional<LocalVolumeSource> local;
  std::optional<NfsVolumeSource> nfs;
  std::optional<IscsiVolumeSource> iscsi;
  std::optional<CsiPersistentVolumeSource> csi;
  std::vector<std::string> other_sources;  // JSON names of sources that have no struct here
  std::vector<std::string> access_modes;
  std::optional<ObjectReference> claim_ref;
  std::string persistent_volume_reclaim_policy;  // Retain, Delete, Recycle
  std::string storage_class_name;
  std::vector<std::string> mount_options;
  std::string volume_mode;  // Filesystem, Block
  std::optional<VolumeNodeAffinity> node_affinity;
  std::optional<std::string> volume_attributes_class_name;
  bool operator==(const PersistentVolumeSpec&) const = default;
};

struct PersistentVolumeStatus {
  std::string phase;  // Pending, Available, Bound, Released, Failed
  std::string message;
  std::string reason;
  bool operator==(const PersistentVolumeStatus&) const = default;
};

struct PersistentVolume {
  static constexpr const char* kApiVersion = "v1";
  static constexpr const char* kKind = "PersistentVolume";
  ObjectMeta metadata;
  PersistentVolumeSpec spec;
  PersistentVolumeStatus status;
  bool operator==(const PersistentVolume&) const = default;
};

struct PersistentVolumeClaimStatus {
  std::string phase;  // Pending, Bound, Lost
  std::vector<std::string> access_modes;
  ResourceList capacity;
  bool operator==(const PersistentVolumeClaimStatus&) const = default;
};

struct PersistentVolumeClaim {
  static constexpr const char* kApiVersion = "v1";
  static constexpr const char* kKind = "PersistentVolumeClaim";
  ObjectMeta metadata;
  PersistentVolumeClaimSpec spec;
  PersistentVolumeClaimStatus status;
  bool operator==(const PersistentVolumeClaim&) const = default;
};

}  // namespace keelson::kube
