// Field lists of meta/v1 and of references.
#include "kube/fields.hpp"
#include "kube/meta.hpp"
#include "kube/storage_spec.hpp"

namespace keelson::kube {

template <>
struct Fields<OwnerReference> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("apiVersion", o.api_version);
    v("kind", o.kind);
    v("name", o.name);
    v("uid", o.uid);
    v("controller", o.controller);
    v("blockOwnerDeletion", o.block_owner_deletion);
  }
};
template <>
struct Fields<ObjectMeta> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
    v("generateName", o.generate_name);
    v("namespace", o.ns);
    v("uid", o.uid);
    v("resourceVersion", o.resource_version);
    v("generation", o.generation);
    v("creationTimestamp", o.creation_timestamp);
    v("deletionTimestamp", o.deletion_timestamp);
    v("deletionGracePeriodSeconds", o.deletion_grace_period_seconds);
    v("labels", o.labels);
    v("annotations", o.annotations);
    v("ownerReferences", o.owner_references);
    v("finalizers", o.finalizers);
    v.ignore("managedFields");
    v.ignore("selfLink");
  }
};
template <>
struct Fields<LabelSelectorRequirement> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("key", o.key);
    v("operator", o.op);
    v("values", o.values);
  }
};
template <>
struct Fields<LabelSelector> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("matchLabels", o.match_labels);
    v("matchExpressions", o.match_expressions);
  }
};
template <>
struct Fields<LocalObjectReference> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("name", o.name);
  }
};
template <>
struct Fields<ObjectReference> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("apiVersion", o.api_version);
    v("kind", o.kind);
    v("namespace", o.ns);
    v("name", o.name);
    v("uid", o.uid);
    v("resourceVersion", o.resource_version);
    v("fieldPath", o.field_path);
  }
};

KEELSON_FIELDS_DEFINE(ObjectMeta);
KEELSON_FIELDS_DEFINE(LabelSelector);
KEELSON_FIELDS_DEFINE(LocalObjectReference);
KEELSON_FIELDS_DEFINE(ObjectReference);

}  // namespace keelson::kube
