// Field lists of ConfigMap, Secret and Event.
#include "kube/config.hpp"
#include "kube/event.hpp"
#include "kube/fields.hpp"

namespace keelson::kube {

KEELSON_FIELDS_EXTERN(ObjectMeta);
KEELSON_FIELDS_EXTERN(ObjectReference);

template <>
struct Fields<ConfigMap> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("data", o.data);
    v.base64("binaryData", o.binary_data);
    v("immutable", o.immutable);
    v("metadata", o.metadata);
  }
};
template <>
struct Fields<Secret> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v.base64("data", o.data);
    v("stringData", o.string_data);
    v("type", o.type);
    v("immutable", o.immutable);
    v("metadata", o.metadata);
  }
};
template <>
struct Fields<EventSource> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("component", o.component);
    v("host", o.host);
  }
};
template <>
struct Fields<Event> {
  template <class V, class T>
  static void visit(V& v, T& o) {
    v("metadata", o.metadata);
    v.always("involvedObject", o.involved_object);
    v("reason", o.reason);
    v("message", o.message);
    v("source", o.source);
    v("firstTimestamp", o.first_timestamp);
    v("lastTimestamp", o.last_timestamp);
    v("count", o.count);
    v("type", o.type);
    v("action", o.action);
    v("reportingComponent", o.reporting_component);
    v("reportingInstance", o.reporting_instance);
    v.ignore("eventTime");
    v.ignore("series");
    v.ignore("related");
  }
};

KEELSON_FIELDS_DEFINE(ConfigMap);
KEELSON_FIELDS_DEFINE(Secret);
KEELSON_FIELDS_DEFINE(Event);

}  // namespace keelson::kube
