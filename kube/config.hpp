// ConfigMap and Secret (core/v1). Binary values are held decoded.
#pragma once

#include <optional>
#include <string>

#include "kube/meta.hpp"

namespace keelson::kube {

struct ConfigMap {
  static constexpr const char* kApiVersion = "v1";
  static constexpr const char* kKind = "ConfigMap";
  ObjectMeta metadata;
  StringMap data;
  StringMap binary_data;  // raw bytes; base64 in JSON
  std::optional<bool> immutable;
  bool operator==(const ConfigMap&) const = default;
};

struct Secret {
  static constexpr const char* kApiVersion = "v1";
  static constexpr const char* kKind = "Secret";
  ObjectMeta metadata;
  StringMap data;         // raw bytes; base64 in JSON
  StringMap string_data;  // as written; set_defaults() moves it into `data`, over what is there
  std::string type;       // Opaque, kubernetes.io/dockerconfigjson, ...
  std::optional<bool> immutable;
  bool operator==(const Secret&) const = default;
};

}  // namespace keelson::kube
