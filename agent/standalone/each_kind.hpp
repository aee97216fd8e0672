// The same for every kind of object that a folder can hold.
#pragma once

#include <tuple>

#include "agent/standalone/manifests.hpp"

namespace keelson::agent {

// The maps of `set` (const or not), one of each kind.
template <class Set>
auto all_maps(Set& set) {
  return std::tie(set.pods, set.deployments, set.replica_sets, set.stateful_sets, set.daemon_sets, set.jobs,
                  set.services, set.slices, set.config_maps, set.secrets, set.volumes, set.claims);
}

// The one of them that holds objects of type T.
template <class T>
kube::ObjectMap<T>& map_of(ManifestSet& set) {
  return std::get<kube::ObjectMap<T>&>(all_maps(set));
}

// Calls f(map) for each.
template <class Set, class F>
void each_kind(Set& set, F f) {
  std::apply([&f](auto&... maps) { (f(maps), ...); }, all_maps(set));
}

}  // namespace keelson::agent
