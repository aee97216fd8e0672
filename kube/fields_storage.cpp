// Field lists of PersistentVolumes, their claims, and the sources that pods share with them.
#include "kube/fields.hpp"
#include "kube/storage.hpp"

namespace keelson::kube {

KEELSON_FIELDS_EXTERN(ObjectMeta);
KEELSON_FIELDS_EXTERN(LabelSelector);
KEELSON_FIELDS_EXTERN(ObjectReference);

template <>
struct Fields<HostPathVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("path", o.path);
    v("type", o.type);
  }
};
template <>
struct Fields<NfsVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("server", o.server);
    v.always("path", o.path);
    v("readOnly", o.read_only);
  }
};
template <>
struct Fields<SecretReference> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("namespace", o.ns);
  }
};
template <>
struct Fields<IscsiVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("targetPortal", o.target_portal);
    v.always("iqn", o.iqn);
    v.always("lun", o.lun);
    v("iscsiInterface", o.iscsi_interface);
    v("fsType", o.fs_type);
    v("readOnly", o.read_only);
    v("portals", o.portals);
    v("chapAuthDiscovery", o.chap_auth_discovery);
    v("chapAuthSession", o.chap_auth_session);
    v("secretRef", o.secret_ref);
    v("initiatorName", o.initiator_name);
  }
};
template <>
struct Fields<TypedLocalObjectReference> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("apiGroup", o.api_group);
    v.always("kind", o.kind);
    v.always("name", o.name);
  }
};
template <>
struct Fields<VolumeResourceRequirements> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("limits", o.limits);
    v("requests", o.requests);
  }
};
template <>
struct Fields<PersistentVolumeClaimSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("accessModes", o.access_modes);
    v("selector", o.selector);
    v.always("resources", o.resources);
    v("volumeName", o.volume_name);
    v("storageClassName", o.storage_class_name);
    v("volumeMode", o.volume_mode);
    v("dataSource", o.data_source);
    v("volumeAttributesClassName", o.volume_attributes_class_name);
    v.ignore("dataSourceRef");
  }
};
template <>
struct Fields<PersistentVolumeClaimStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("phase", o.phase);
    v("accessModes", o.access_modes);
    v("capacity", o.capacity);
    v.ignore("conditions");
    v.ignore("allocatedResources");
    v.ignore("allocatedResourceStatuses");
    v.ignore("currentVolumeAttributesClassName");
    v.ignore("modifyVolumeStatus");
  }
};
template <>
struct Fields<PersistentVolumeClaim> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
    v("status", o.status);
  }
};
template <>
struct Fields<LocalVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("path", o.path);
    v("fsType", o.fs_type);
  }
};
template <>
struct Fields<CsiPersistentVolumeSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("driver", o.driver);
    v.always("volumeHandle", o.volume_handle);
    v("readOnly", o.read_only);
    v("fsType", o.fs_type);
    v("volumeAttributes", o.volume_attributes);
    v("controllerPublishSecretRef", o.controller_publish_secret_ref);
    v("nodeStageSecretRef", o.node_stage_secret_ref);
    v("nodePublishSecretRef", o.node_publish_secret_ref);
    v("controllerExpandSecretRef", o.controller_expand_secret_ref);
    v("nodeExpandSecretRef", o.node_expand_secret_ref);
  }
};
template <>
struct Fields<NodeSelectorRequirement> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("key", o.key);
    v.always("operator", o.op);
    v("values", o.values);
  }
};
template <>
struct Fields<NodeSelectorTerm> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("matchExpressions", o.match_expressions);
    v("matchFields", o.match_fields);
  }
};
template <>
struct Fields<NodeSelector> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.always("nodeSelectorTerms", o.node_selector_terms);
  }
};
template <>
struct Fields<VolumeNodeAffinity> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("required", o.required);
  }
};
template <>
struct Fields<PersistentVolumeSpec> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("capacity", o.capacity);
    v("hostPath", o.host_path);
    v("local", o.local);
    v("nfs", o.nfs);
    v("iscsi", o.iscsi);
    v("csi", o.csi);
    v("accessModes", o.access_modes);
    v("claimRef", o.claim_ref);
    v("persistentVolumeReclaimPolicy", o.persistent_volume_reclaim_policy);
    v("storageClassName", o.storage_class_name);
    v("mountOptions", o.mount_options);
    v("volumeMode", o.volume_mode);
    v("nodeAffinity", o.node_affinity);
    v("volumeAttributesClassName", o.volume_attributes_class_name);
    v.others(o.other_sources);
  }
};
template <>
struct Fields<PersistentVolumeStatus> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("phase", o.phase);
    v("message", o.message);
    v("reason", o.reason);
    v.ignore("lastPhaseTransitionTime");
  }
};
template <>
struct Fields<PersistentVolume> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v("spec", o.spec);
    v("status", o.status);
  }
};

KEELSON_FIELDS_DEFINE(HostPathVolumeSource);
KEELSON_FIELDS_DEFINE(NfsVolumeSource);
KEELSON_FIELDS_DEFINE(IscsiVolumeSource);
KEELSON_FIELDS_DEFINE(PersistentVolumeClaimSpec);
KEELSON_FIELDS_DEFINE(PersistentVolumeClaim);
KEELSON_FIELDS_DEFINE(NodeSelector);
KEELSON_FIELDS_DEFINE(PersistentVolume);

}  // namespace keelson::kube
