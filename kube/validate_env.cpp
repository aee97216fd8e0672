// Environment variables and where their values come from.
#include <algorithm>
#include <array>

#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

// metadata.labels['KEY'] or metadata.annotations['KEY'].
bool is_subscript(std::string_view path) {
  std::size_t open = path.find("['");
  if (open == std::string_view::npos || path.size() < open + 5 || path.substr(path.size() - 2) != "']") return false;
  std::string_view map = path.substr(0, open);
  return map == "metadata.labels" || map == "metadata.annotations";
}

void check_key_selector(const KeySelector& selector, const FieldPath& at, FieldErrors& errors) {
  check_present(selector.name, at / "name", errors);
  check_required(selector.key, check_config_key, at / "key", errors);
}

void check_value_from(const EnvVar& variable, const FieldPath& at, FieldErrors& errors) {
  const EnvVarSource& source = *variable.value_from;
  int count = 0;
  if (source.field_ref) {
    ++count;
    check_field_ref(*source.field_ref, false, at / "fieldRef", errors);
  }
  if (source.resource_field_ref) {
    ++count;
    check_present(source.resource_field_ref->resource, at / "resourceFieldRef" / "resource", errors);
  }
  if (source.config_map_key_ref) {
    ++count;
    check_key_selector(*source.config_map_key_ref, at / "configMapKeyRef", errors);
  }
  if (source.secret_key_ref) {
    ++count;
    check_key_selector(*source.secret_key_ref, at / "secretKeyRef", errors);
  }
  if (source.file_key_ref) {
    ++count;
    check_present(source.file_key_ref->volume_name, at / "fileKeyRef" / "volumeName", errors);
    check_present(source.file_key_ref->path, at / "fileKeyRef" / "path", errors);
    check_required(source.file_key_ref->key, check_env_name, at / "fileKeyRef" / "key", errors);
  }
  if (count == 0) {
    errors.invalid(at, "",
                   "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
                   "`fileKeyRef`");
  }
  if (count > 1) errors.invalid(at, "", "may not have more than one field specified at a time");
  if (!variable.value.empty()) errors.invalid(at, "", "may not be specified when `value` is not empty");
}

void check_env_from(const EnvFromSource& source, const FieldPath& at, FieldErrors& errors) {
  errors.check(at / "prefix", source.prefix, check_env_name(source.prefix));
  if (source.config_map_ref) check_present(source.config_map_ref->name, at / "configMapRef" / "name", errors);
  if (source.secret_ref) check_present(source.secret_ref->name, at / "secretRef" / "name", errors);
  if (!source.config_map_ref && !source.secret_ref) {
    errors.invalid(at, "", "must specify one of: `configMapRef` or `secretRef`");
  }
  if (source.config_map_ref && source.secret_ref) {
    errors.invalid(at, "", "may not have more than one field specified at a time");
  }
}

}  // namespace

void check_field_ref(const ObjectFieldSelector& selector, bool in_volume, const FieldPath& at, FieldErrors& errors) {
  constexpr std::array<std::string_view, 3> kAnywhere{"metadata.name", "metadata.namespace", "metadata.uid"};
  constexpr std::array<std::string_view, 6> kEnvironment{
      "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"};
  constexpr std::array<std::string_view, 2> kVolume{"metadata.labels", "metadata.annotations"};
  const std::string& path = selector.field_path;
  if (path.empty()) return errors.required(at / "fieldPath");
  auto among = [&](const auto& paths) { return std::find(paths.begin(), paths.end(), path) != paths.end(); };
  if (among(kAnywhere) || is_subscript(path) || (in_volume ? among(kVolume) : among(kEnvironment))) return;
  errors.invalid(at / "fieldPath", path,
                 in_volume ? "not a field that a volume can show" : "not a field that a variable can show");
}

void check_env(const Container& container, const FieldPath& at, FieldErrors& errors) {
  for (std::size_t i = 0; i < container.env.size(); ++i) {
    FieldPath here = (at / "env")[i];
    check_required(container.env[i].name, check_env_name, here / "name", errors);
    if (container.env[i].value_from) check_value_from(container.env[i], here / "valueFrom", errors);
  }
  for (std::size_t i = 0; i < container.env_from.size(); ++i) {
    check_env_from(container.env_from[i], (at / "envFrom")[i], errors);
  }
}

}  // namespace keelson::kube
