// ConfigMaps and Secrets that say `immutable: true` stay as they are while they are there, as the API server sees to it
// in a cluster (upstream: ValidateConfigMapUpdate, ValidateSecretUpdate). Pure.
#pragma once

#include "agent/standalone/manifests.hpp"

namespace keelson::agent {

// Puts the earlier object back where `now` has changed an immutable one, and adds a problem to `now` that says so. One
// that is removed from the folder and comes back is new.
void keep_immutable(const ManifestSet& before, ManifestSet& now);

}  // namespace keelson::agent
