// Storage types that pods and PersistentVolumes share: sources of both, and the claim's spec.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.hpp"
#include "kube/quantity.hpp"

namespace keelson::kube {

struct HostPathVolumeSource {
  std::string path;
  // "", DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice, BlockDevice
  std::optional<std::string> type;
  bool operator==(const HostPathVolumeSource&) const = default;
};

struct NfsVolumeSource {
  std::string server;
  std::string path;
  bool read_only = false;
  bool operator==(const NfsVolumeSource&) const = default;
};

// A reference to a Secret; `ns` is used by PersistentVolumes only.
struct SecretReference {
  std::string name;
  std::string ns;  // namespace
  bool operator==(const SecretReference&) const = default;
};

struct IscsiVolumeSource {
  std::string target_portal;
  std::string iqn;
  std::int32_t lun = 0;
  std::string iscsi_interface;
  std::string fs_type;
  bool read_only = false;
  std::vector<std::string> portals;
  std::optional<bool> chap_auth_discovery;
  std::optional<bool> chap_auth_session;
  std::optional<SecretReference> secret_ref;
  std::optional<std::string> initiator_name;
  bool operator==(const IscsiVolumeSource&) const = default;
};

struct TypedLocalObjectReference {
  std::string api_group;
  std::string kind;
  std::string name;
  bool operator==(const TypedLocalObjectReference&) const = default;
};

struct VolumeResourceRequirements {
  ResourceList limits;
  ResourceList requests;
  bool operator==(const VolumeResourceRequirements&) const = default;
};

struct PersistentVolumeClaimSpec {
  std::vector<std::string> access_modes;  // ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod
  std::optional<LabelSelector> selector;
  VolumeResourceRequirements resources;
  std::string volume_name;
  std::optional<std::string> storage_class_name;  // absent: the default class; "": none
  std::string volume_mode;                        // Filesystem, Block
  std::optional<TypedLocalObjectReference> data_source;
  std::optional<std::string> volume_attributes_class_name;
  bool operator==(const PersistentVolumeClaimSpec&) const = default;
};

}  // namespace keelson::kube
