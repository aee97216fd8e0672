#include "kube/codec.hpp"

#include <nlohmann/json.hpp>

#include "kube/config.hpp"
#include "kube/credential_provider.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/event.hpp"
#include "kube/fields.hpp"
#include "kube/lease.hpp"
#include "kube/node.hpp"
#include "kube/service.hpp"
#include "kube/workload.hpp"

namespace keelson::kube {

template <class T>
Result<T> decode(const nlohmann::json& json, Warnings* warnings) {
  if (!json.is_object()) {
    return make_error(Errc::invalid_argument, "expected object, got " + std::string(json.type_name()));
  }
  if constexpr (Kind<T>) {
    auto kind = json.find("kind");
    if (kind != json.end() && *kind != T::kKind) {
      return make_error(Errc::invalid_argument, "kind: expected " + std::string(T::kKind) + ", got " + kind->dump());
    }
  }
  T object{};
  Reader reader(json, warnings);
  read_object(reader, object);
  std::string errors = reader.error_text();
  if (!errors.empty()) return make_error(Errc::invalid_argument, std::move(errors));
  return object;
}

template <class T>
nlohmann::json encode(const T& object) {
  nlohmann::json json;
  Writer writer(json);
  write_object(writer, object);
  return json;
}

template <class T>
std::string encode_text(const T& object) {
  return encode(object).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

#define KEELSON_CODEC(TYPE)                                             \
  KEELSON_FIELDS_EXTERN(TYPE);                                          \
  template Result<TYPE> decode<TYPE>(const nlohmann::json&, Warnings*); \
  template nlohmann::json encode<TYPE>(const TYPE&);                    \
  template std::string encode_text<TYPE>(const TYPE&)

KEELSON_CODEC(ObjectMeta);
KEELSON_CODEC(LabelSelector);
KEELSON_CODEC(Container);
KEELSON_CODEC(PodSpec);
KEELSON_CODEC(PodTemplateSpec);
KEELSON_CODEC(PodStatus);
KEELSON_CODEC(Pod);
KEELSON_CODEC(Service);
KEELSON_CODEC(EndpointSlice);
KEELSON_CODEC(ConfigMap);
KEELSON_CODEC(Secret);
KEELSON_CODEC(Event);
KEELSON_CODEC(Node);
KEELSON_CODEC(Lease);
KEELSON_CODEC(PersistentVolume);
KEELSON_CODEC(PersistentVolumeClaim);
KEELSON_CODEC(Deployment);
KEELSON_CODEC(ReplicaSet);
KEELSON_CODEC(StatefulSet);
KEELSON_CODEC(DaemonSet);
KEELSON_CODEC(Job);
KEELSON_CODEC(CredentialProviderConfig);

}  // namespace keelson::kube
