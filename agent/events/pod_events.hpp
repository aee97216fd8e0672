// From the journal's events to what Kubernetes Events name. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "kube/pod.hpp"

namespace keelson::agent {

// The pod itself ("pod"), or one of its containers ("container web": fieldPath spec.containers{web}, or of init and
// ephemeral containers). Nothing for a container that the pod does not have, and for objects that are the journal's
// own ("volumes"): no Kubernetes event speaks of those.
[[nodiscard]] std::optional<kube::ObjectReference> event_object(const kube::Pod& pod, std::string_view journal_object);

}  // namespace keelson::agent
