#include "agent/standalone/immutable.hpp"

namespace keelson::agent {
namespace {

const std::string kForbidden = ": Forbidden: field is immutable when `immutable` is set";

// The first field that may not change but has; empty: none.
std::string changed_field(const kube::ConfigMap& before, const kube::ConfigMap& now) {
  if (!now.immutable.value_or(false)) return "immutable";
  if (now.data != before.data) return "data";
  return now.binary_data != before.binary_data ? "binaryData" : "";
}

std::string changed_field(const kube::Secret& before, const kube::Secret& now) {
  if (!now.immutable.value_or(false)) return "immutable";
  return now.data != before.data ? "data" : "";
}

template <class T>
void keep(const kube::ObjectMap<T>& before, kube::ObjectMap<T>& now, std::vector<SourceProblem>& problems) {
  for (const auto& [key, object] : before) {
    const auto it = now.find(key);
    if (!object->immutable.value_or(false) || it == now.end() || it->second == object) continue;
    const std::string field = changed_field(*object, *it->second);
    if (field.empty()) continue;
    it->second = object;
    problems.push_back({"", std::string(T::kKind) + " " + key,
                        field + kForbidden + ": pods keep the earlier content; give the changed one another name"});
  }
}

}  // namespace

void keep_immutable(const ManifestSet& before, ManifestSet& now) {
  keep(before.config_maps, now.config_maps, now.problems);
  keep(before.secrets, now.secrets, now.problems);
}

}  // namespace keelson::agent
