#include "agent/standalone/carry_over.hpp"

#include <set>

#include "agent/standalone/each_kind.hpp"

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
void carry(const kube::ObjectMap<T>& before, ManifestSet& now, const Names& names) {
  for (const auto& [key, object] : before) {
    if (names.count(std::string(T::kKind) + " " + key) > 0) map_of<T>(now).emplace(key, object);
  }
}

}  // namespace

void carry_over(const ManifestSet& before, ManifestSet& now) {
  const auto names = unreadable(before, now);
  if (names.empty()) return;
  each_kind(before, [&](const auto& map) { carry(map, now, names); });
  for (const auto& name : names) now.files.emplace(name, before.files.at(name));
}

}  // namespace keelson::agent
