// What every API object carries: ObjectMeta, owner references and label selectors (meta/v1).
// Naming, for all types of kube/: a field is its JSON name in snake_case. Where that is a C++ keyword or a macro:
// namespace -> ns, operator -> op, template -> pod_template, stdin -> stdin_open.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/time.hpp"

namespace keelson::kube {

using StringMap = std::map<std::string, std::string>;

struct TypeMeta {
  std::string api_version;  // "v1", "apps/v1"
  std::string kind;
  bool operator==(const TypeMeta&) const = default;
};

struct OwnerReference {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  std::optional<bool> controller;
  std::optional<bool> block_owner_deletion;
  bool operator==(const OwnerReference&) const = default;
};

struct ObjectMeta {
  std::string name;
  std::string generate_name;
  std::string ns;  // namespace
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  std::optional<Time> creation_timestamp;
  std::optional<Time> deletion_timestamp;
  std::optional<std::int64_t> deletion_grace_period_seconds;
  StringMap labels;
  StringMap annotations;
  std::vector<OwnerReference> owner_references;
  std::vector<std::string> finalizers;
  bool operator==(const ObjectMeta&) const = default;
};

struct LabelSelectorRequirement {
  std::string key;
  std::string op;  // In, NotIn, Exists, DoesNotExist
  std::vector<std::string> values;
  bool operator==(const LabelSelectorRequirement&) const = default;
};

struct LabelSelector {
  StringMap match_labels;
  std::vector<LabelSelectorRequirement> match_expressions;
  bool operator==(const LabelSelector&) const = default;
};

// A reference to an object of the same namespace.
struct LocalObjectReference {
  std::string name;
  bool operator==(const LocalObjectReference&) const = default;
};

// An object that an event or a binding speaks of.
struct ObjectReference {
  std::string api_version;
  std::string kind;
  std::string ns;  // namespace
  std::string name;
  std::string uid;
  std::string resource_version;
  std::string field_path;  // e.g. "spec.containers{web}"
  bool operator==(const ObjectReference&) const = default;
};

// The key of an object in maps and messages: "namespace/name", or the bare name where there is no namespace.
[[nodiscard]] inline std::string object_key(std::string_view ns, std::string_view name) {
  std::string key(ns);
  if (!key.empty()) key += '/';
  return key.append(name);
}
[[nodiscard]] inline std::string object_key(const ObjectMeta& meta) { return object_key(meta.ns, meta.name); }

}  // namespace keelson::kube
