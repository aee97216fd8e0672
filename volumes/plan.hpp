// Which volumes of a pod to set up, and as what: names, claims and kinds resolved. Pure (upstream:
// pkg/kubelet/volumemanager/populator).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "volumes/volume.hpp"

namespace keelson::volumes {

struct VolumeUse {
  bool mounted = false;  // in some container's volumeMounts
  bool mapped = false;   // in some container's volumeDevices
  bool operator==(const VolumeUse&) const = default;
};

// The volume names that containers of the pod use: init, app and ephemeral ones. Others need not be set up.
[[nodiscard]] std::map<std::string, VolumeUse> volumes_in_use(const kube::Pod& pod);

struct ResolveFailure {
  std::string volume;  // pod.spec.volumes[].name
  Error error;
};

struct VolumePlan {
  std::vector<VolumeRequest> requests;   // in the order of pod.spec.volumes
  std::vector<ResolveFailure> failures;  // volumes that cannot be set up as things are
};

// Resolves every volume in use. `image` volumes are the runtime's and left out. A claim (or the claim of an ephemeral
// volume) must be bound to a PersistentVolume that is bound to it, with the volumeMode that the containers use, and
// this node must fit the PersistentVolume's node affinity.
//   error processing PVC NS/NAME: PVC is not bound
[[nodiscard]] VolumePlan plan_volumes(const PodVolumes& pod, const NodeFacts& node);

// The group that a PersistentVolume's annotation pv.beta.kubernetes.io/gid adds to the pod's containers.
[[nodiscard]] std::vector<std::int64_t> supplemental_groups(const VolumeRequest& request);

// One error for the pod, reason FailedMount, from the failures of planning and of set up ("; " between several):
//   Unable to attach or mount volumes: unmounted volumes=[b], unattached volumes=[], failed to process volumes=[b]: ...
//   MountVolume.SetUp failed for volume "a" : TEXT
[[nodiscard]] Error failed_to_process(const std::vector<ResolveFailure>& failures);
[[nodiscard]] Error failed_to_mount(const std::string& inner_name, const Error& error);

}  // namespace keelson::volumes
