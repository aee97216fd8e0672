// ObjectSet: the objects that pods refer to, gathered beforehand, so that builders of environments, volumes and
// configs stay pure functions.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kube/config.hpp"
#include "kube/service.hpp"
#include "kube/storage.hpp"

namespace keelson::kube {

// By "namespace/name" (object_key); PersistentVolumes by name.
template <class T>
using ObjectMap = std::map<std::string, std::shared_ptr<const T>, std::less<>>;

struct ObjectSet {
  ObjectMap<ConfigMap> config_maps;
  ObjectMap<Secret> secrets;
  ObjectMap<PersistentVolumeClaim> claims;
  ObjectMap<PersistentVolume> volumes;
  std::vector<std::shared_ptr<const Service>> services;

  // Each: the object, or null when the set does not hold it.
  [[nodiscard]] const ConfigMap* find_config_map(std::string_view ns, std::string_view name) const {
    return find(config_maps, object_key(ns, name));
  }
  [[nodiscard]] const Secret* find_secret(std::string_view ns, std::string_view name) const {
    return find(secrets, object_key(ns, name));
  }
  [[nodiscard]] const PersistentVolumeClaim* find_claim(std::string_view ns, std::string_view name) const {
    return find(claims, object_key(ns, name));
  }
  [[nodiscard]] const PersistentVolume* find_volume(std::string_view name) const { return find(volumes, name); }

 private:
  template <class T>
  [[nodiscard]] static const T* find(const ObjectMap<T>& map, std::string_view key) {
    auto it = map.find(key);
    return it == map.end() ? nullptr : it->second.get();
  }
};

}  // namespace keelson::kube
