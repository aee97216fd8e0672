// The claims of generic ephemeral volumes, made as a cluster's controller does (upstream: pkg/controller/volume/
// ephemeral): one per volume, named POD-VOLUME, owned by its pod and gone with it. Pure.
#pragma once

#include <memory>
#include <vector>

#include "kube/pod.hpp"
#include "kube/storage.hpp"

namespace keelson::agent {

// The claims that the pod brings with it, in the order of its volumes.
[[nodiscard]] std::vector<std::shared_ptr<const kube::PersistentVolumeClaim>> ephemeral_claims(const kube::Pod& pod);

}  // namespace keelson::agent
