// The objects that a pod refers to by name, so that the worker can gather them before it builds anything.
#pragma once

#include <set>
#include <string>

#include "kube/pod.hpp"

namespace keelson::spec {

// Names in the pod's own namespace.
struct References {
  std::set<std::string> config_maps;
  std::set<std::string> secrets;             // of env, volumes and CSI; without the next
  std::set<std::string> image_pull_secrets;  // a missing one is no error: the pull may work without
  std::set<std::string> claims;              // PersistentVolumeClaims, also those of ephemeral volumes (POD-VOLUME)
  std::string service_account;               // empty: none
  bool operator==(const References&) const = default;
};

[[nodiscard]] References references(const kube::Pod& pod);

}  // namespace keelson::spec
