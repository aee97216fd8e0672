#include "agent/standalone/carry_over.hpp"

#include <set>

namespace keelson::agent {
namespace {

// "Pod default/web", as ManifestSet::files has it.
using Names = std::set<std::string>;

Names unreadable(const ManifestSet& before, const ManifestSet& now) {
  std::set<std::string> files;  // of which not even the objects can be told
  Names objects;
  for (const auto& p : now.problems) {
    if (p.object.empty()) {
      files.insert(p.file);
    } else {
      objects.insert(p.object);
      // An object that was not even decoded has no namespace yet.
      const auto space = p.object.find(' ');
      if (p.object.find('/') == std::string::npos && space != std::string::npos)
        objects.insert(p.object.substr(0, space) + " default/" + p.object.substr(space + 1));
    }
  }
  Names out;
  for (const auto& [name, file] : before.files) {
    if (now.files.count(name) == 0 && (files.count(file) > 0 || objects.count(name) > 0)) out.insert(name);
  }
  return out;
}

template <class T>
void carry(const kube::ObjectMap<T>& before, kube::ObjectMap<T>& now, const Names& names) {
  for (const auto& [key, object] : before) {
    if (names.count(std::string(T::kKind) + " " + key) > 0) now.emplace(key, object);
  }
}

}  // namespace

void carry_over(const ManifestSet& before, ManifestSet& now) {
  const auto names = unreadable(before, now);
  if (names.empty()) return;
  carry(before.pods, now.pods, names);
  carry(before.deployments, now.deployments, names);
  carry(before.replica_sets, now.replica_sets, names);
  carry(before.stateful_sets, now.stateful_sets, names);
  carry(before.daemon_sets, now.daemon_sets, names);
  carry(before.jobs, now.jobs, names);
  carry(before.services, now.services, names);
  carry(before.slices, now.slices, names);
  carry(before.config_maps, now.config_maps, names);
  carry(before.secrets, now.secrets, names);
  carry(before.volumes, now.volumes, names);
  carry(before.claims, now.claims, names);
  for (const auto& name : names) now.files.emplace(name, before.files.at(name));
}

}  // namespace keelson::agent
