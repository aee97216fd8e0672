// Object: one of all kinds that Keelson reads, found by apiVersion and kind.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "kube/codec.hpp"
#include "kube/config.hpp"
#include "kube/endpoint_slice.hpp"
#include "kube/field_error.hpp"
#include "kube/service.hpp"
#include "kube/storage.hpp"
#include "kube/workload.hpp"

namespace keelson::kube {

using Object = std::variant<Pod, Service, ConfigMap, Secret, PersistentVolume, PersistentVolumeClaim, Deployment,
                            ReplicaSet, StatefulSet, DaemonSet, Job, EndpointSlice>;

// Decodes by apiVersion and kind. Errors: invalid_argument for a bad object, unimplemented (naming both) for a kind
// that is not among the above.
[[nodiscard]] Result<Object> decode_object(const nlohmann::json& json, Warnings* warnings = nullptr);
[[nodiscard]] nlohmann::json encode_object(const Object& object);

[[nodiscard]] ObjectMeta& metadata_of(Object& object);
[[nodiscard]] const ObjectMeta& metadata_of(const Object& object);
[[nodiscard]] std::string_view kind_of(const Object& object);
// "Pod default/web", for messages.
[[nodiscard]] std::string describe(const Object& object);
// The same for a value that may not decode: as much of it as can be told. "Pod default/web", "Ingress ?".
[[nodiscard]] std::string describe(const nlohmann::json& json);

void set_defaults(Object& object);
[[nodiscard]] std::vector<FieldError> validate(const Object& object);

// What an API server would make of a manifest: decoded, put into namespace "default" where it names none, with
// defaults, validated. A field that the API does not have is an error (strict, as kubectl asks for), one that is known
// and not served here a warning. Errors say which object and fields: "Pod default/web: spec.containers[0].name:
// Required value", "Pod default/web: spec.colour: unknown field".
[[nodiscard]] Result<Object> load_object(const nlohmann::json& json, Warnings* warnings = nullptr);

}  // namespace keelson::kube
