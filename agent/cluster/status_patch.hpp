// What must be sent so that the API server shows a pod's status as this node knows it, as a pure function. After
// upstream's pkg/kubelet/status/status_manager.go (syncPod) and pkg/util/pod (PatchPodStatus).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "kube/pod_status.hpp"

namespace keelson::agent {

// A strategic merge patch of pods/NAME/status, with the UID as its precondition, that takes `api` (what the API server
// shows) to `ours`; nothing where they say the same. Conditions of others are left alone, and so are the fields that a
// node agent does not own (nominatedNodeName, resize).
[[nodiscard]] std::optional<nlohmann::json> status_patch(const std::string& uid, const kube::PodStatus& api,
                                                         const kube::PodStatus& ours);

// Whether `ours` may be held back for a moment, because more will follow: steps on the way of a pod that the API server
// shows as Pending and that is Pending still. A pod's start then takes two requests and not one per step; the kubelet's
// loop has the same effect.
[[nodiscard]] bool more_will_follow(const kube::PodStatus& api, const kube::PodStatus& ours);

}  // namespace keelson::agent
