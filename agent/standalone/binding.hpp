// Binds PersistentVolumeClaims to PersistentVolumes of the folder, as the persistent volume controller would. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/standalone/manifests.hpp"

namespace keelson::agent {

struct Bindings {
  kube::ObjectMap<kube::PersistentVolumeClaim> claims;  // with phase Bound and volumeName, or Pending
  kube::ObjectMap<kube::PersistentVolume> volumes;      // with phase and claimRef
  std::map<std::string, std::string> bound;             // claim -> volume: `previous` of the next call
  std::vector<SourceProblem> problems;                  // claims that no volume fits, with the reason
};

// `previous` keeps a claim on its volume while both exist and still fit.
[[nodiscard]] Bindings bind_claims(const kube::ObjectMap<kube::PersistentVolumeClaim>& claims,
                                   const kube::ObjectMap<kube::PersistentVolume>& volumes,
                                   const std::map<std::string, std::string>& previous);

}  // namespace keelson::agent
