// A pod's volumes (core/v1 Volume). Kinds that Keelson can carry are structs; any other is recorded by its name, so
// that validation can name it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/container.hpp"
#include "kube/storage_spec.hpp"

namespace keelson::kube {

struct EmptyDirVolumeSource {
  std::string medium;  // "", Memory, HugePages, HugePages-2Mi, ...
  std::optional<Quantity> size_limit;
  bool operator==(const EmptyDirVolumeSource&) const = default;
};

struct KeyToPath {
  std::string key;
  std::string path;
  std::optional<std::int32_t> mode;
  bool operator==(const KeyToPath&) const = default;
};

struct ConfigMapVolumeSource {
  std::string name;
  std::vector<KeyToPath> items;
  std::optional<std::int32_t> default_mode;
  std::optional<bool> optional;
  bool operator==(const ConfigMapVolumeSource&) const = default;
};

struct SecretVolumeSource {
  std::string secret_name;
  std::vector<KeyToPath> items;
  std::optional<std::int32_t> default_mode;
  std::optional<bool> optional;
  bool operator==(const SecretVolumeSource&) const = default;
};

struct PersistentVolumeClaimVolumeSource {
  std::string claim_name;
  bool read_only = false;
  bool operator==(const PersistentVolumeClaimVolumeSource&) const = default;
};

struct DownwardApiFile {
  std::string path;
  std::optional<ObjectFieldSelector> field_ref;
  std::optional<ResourceFieldSelector> resource_field_ref;
  std::optional<std::int32_t> mode;
  bool operator==(const DownwardApiFile&) const = default;
};

struct DownwardApiVolumeSource {
  std::vector<DownwardApiFile> items;
  std::optional<std::int32_t> default_mode;
  bool operator==(const DownwardApiVolumeSource&) const = default;
};

// The ConfigMap or Secret part of a projected volume.
struct ObjectProjection {
  std::string name;
  std::vector<KeyToPath> items;
  std::optional<bool> optional;
  bool operator==(const ObjectProjection&) const = default;
};

struct DownwardApiProjection {
  std::vector<DownwardApiFile> items;
  bool operator==(const DownwardApiProjection&) const = default;
};

struct ServiceAccountTokenProjection {
  std::string audience;
  std::optional<std::int64_t> expiration_seconds;
  std::string path;
  bool operator==(const ServiceAccountTokenProjection&) const = default;
};

struct ClusterTrustBundleProjection {
  std::string name;
  std::string signer_name;
  std::optional<LabelSelector> label_selector;
  std::optional<bool> optional;
  std::string path;
  bool operator==(const ClusterTrustBundleProjection&) const = default;
};

struct VolumeProjection {
  std::optional<ObjectProjection> secret;
  std::optional<DownwardApiProjection> downward_api;
  std::optional<ObjectProjection> config_map;
  std::optional<ServiceAccountTokenProjection> service_account_token;
  std::optional<ClusterTrustBundleProjection> cluster_trust_bundle;
  std::vector<std::string> other_sources;  // JSON names of sources that have no struct here, e.g. "podCertificate"
  bool operator==(const VolumeProjection&) const = default;
};

struct ProjectedVolumeSource {
  std::vector<VolumeProjection> sources;
  std::optional<std::int32_t> default_mode;
  bool operator==(const ProjectedVolumeSource&) const = default;
};

// An inline ("ephemeral") CSI volume.
struct CsiVolumeSource {
  std::string driver;
  std::optional<bool> read_only;
  std::string fs_type;
  StringMap volume_attributes;
  std::optional<LocalObjectReference> node_publish_secret_ref;
  bool operator==(const CsiVolumeSource&) const = default;
};

struct ImageVolumeSource {
  std::string reference;
  std::string pull_policy;
  bool operator==(const ImageVolumeSource&) const = default;
};

// metadata of the claim that the pod brings with it: labels and annotations only.
struct PersistentVolumeClaimTemplate {
  ObjectMeta metadata;
  PersistentVolumeClaimSpec spec;
  bool operator==(const PersistentVolumeClaimTemplate&) const = default;
};

struct EphemeralVolumeSource {
  std::optional<PersistentVolumeClaimTemplate> volume_claim_template;
  bool operator==(const EphemeralVolumeSource&) const = default;
};

struct Volume {
  std::string name;
  std::optional<EmptyDirVolumeSource> empty_dir;
  std::optional<HostPathVolumeSource> host_path;
  std::optional<ConfigMapVolumeSource> config_map;
  std::optional<SecretVolumeSource> secret;
  std::optional<PersistentVolumeClaimVolumeSource> persistent_volume_claim;
  std::optional<DownwardApiVolumeSource> downward_api;
  std::optional<ProjectedVolumeSource> projected;
  std::optional<NfsVolumeSource> nfs;
  std::optional<IscsiVolumeSource> iscsi;
  std::optional<CsiVolumeSource> csi;
  std::optional<ImageVolumeSource> image;
  std::optional<EphemeralVolumeSource> ephemeral;
  std::vector<std::string> other_sources;  // JSON names of sources that have no struct here, e.g. "cephfs"
  bool operator==(const Volume&) const = default;
};

}  // namespace keelson::kube
