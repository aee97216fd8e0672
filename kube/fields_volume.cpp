// Field lists of a pod's volumes.
#include "kube/fields.hpp"
#include "kube/volume.hpp"

namespace keelson::kube {

KEELSON_FIELDS_EXTERN(ObjectMeta);
KEELSON_FIELDS_EXTERN(LabelSelector);
KEELSON_FIELDS_EXTERN(LocalObjectReference);
KEELSON_FIELDS_EXTERN(ObjectFieldSelector);
KEELSON_FIELDS_EXTERN(ResourceFieldSelector);
KEELSON_FIELDS_EXTERN(HostPathVolumeSource);
KEELSON_FIELDS_EXTERN(NfsVolumeSource);
KEELSON_FIELDS_EXTERN(IscsiVolumeSource);
KEELSON_FIELDS_EXTERN(PersistentVolumeClaimSpec);

template <>
struct Fields<EmptyDirVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("medium", o.medium);
    v("sizeLimit", o.size_limit);
  }
};
template <>
struct Fields<KeyToPath> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("key", o.key);
    v.always("path", o.path);
    v("mode", o.mode);
  }
};
template <>
struct Fields<ConfigMapVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("items", o.items);
    v("defaultMode", o.default_mode);
    v("optional", o.optional);
  }
};
template <>
struct Fields<SecretVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("secretName", o.secret_name);
    v("items", o.items);
    v("defaultMode", o.default_mode);
    v("optional", o.optional);
  }
};
template <>
struct Fields<PersistentVolumeClaimVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("claimName", o.claim_name);
    v("readOnly", o.read_only);
  }
};
template <>
struct Fields<DownwardApiFile> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("path", o.path);
    v("fieldRef", o.field_ref);
    v("resourceFieldRef", o.resource_field_ref);
    v("mode", o.mode);
  }
};
template <>
struct Fields<DownwardApiVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("items", o.items);
    v("defaultMode", o.default_mode);
  }
};
template <>
struct Fields<ObjectProjection> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("items", o.items);
    v("optional", o.optional);
  }
};
template <>
struct Fields<DownwardApiProjection> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("items", o.items);
  }
};
template <>
struct Fields<ServiceAccountTokenProjection> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("audience", o.audience);
    v("expirationSeconds", o.expiration_seconds);
    v.always("path", o.path);
  }
};
template <>
struct Fields<ClusterTrustBundleProjection> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("signerName", o.signer_name);
    v("labelSelector", o.label_selector);
    v("optional", o.optional);
    v.always("path", o.path);
  }
};
template <>
struct Fields<VolumeProjection> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("secret", o.secret);
    v("downwardAPI", o.downward_api);
    v("configMap", o.config_map);
    v("serviceAccountToken", o.service_account_token);
    v("clusterTrustBundle", o.cluster_trust_bundle);
    v.others(o.other_sources);
  }
};
template <>
struct Fields<ProjectedVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("sources", o.sources);
    v("defaultMode", o.default_mode);
  }
};
template <>
struct Fields<CsiVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("driver", o.driver);
    v("readOnly", o.read_only);
    v("fsType", o.fs_type);
    v("volumeAttributes", o.volume_attributes);
    v("nodePublishSecretRef", o.node_publish_secret_ref);
  }
};
template <>
struct Fields<ImageVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("reference", o.reference);
    v("pullPolicy", o.pull_policy);
  }
};
template <>
struct Fields<PersistentVolumeClaimTemplate> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
  }
};
template <>
struct Fields<EphemeralVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("volumeClaimTemplate", o.volume_claim_template);
  }
};
template <>
struct Fields<Volume> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("name", o.name);
    v("emptyDir", o.empty_dir);
    v("hostPath", o.host_path);
    v("configMap", o.config_map);
    v("secret", o.secret);
    v("persistentVolumeClaim", o.persistent_volume_claim);
    v("downwardAPI", o.downward_api);
    v("projected", o.projected);
    v("nfs", o.nfs);
    v("iscsi", o.iscsi);
    v("csi", o.csi);
    v("image", o.image);
    v("ephemeral", o.ephemeral);
    v.others(o.other_sources);
  }
};

KEELSON_FIELDS_DEFINE(Volume);

}  // namespace keelson::kube
