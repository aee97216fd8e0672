// What a message of an event source means; pure.
#pragma once

#include <optional>

#include "cri/containerd_events.pb.h"
#include "cri/events.hpp"

namespace keelson::cri {

namespace containerd = ::containerd::services::events::v1;

// containerd's filters for what decode() understands, one per topic, of the namespace that its CRI plugin uses. They
// run in containerd, so that creates and starts do not wake this process.
[[nodiscard]] containerd::SubscribeRequest containerd_subscription();

// Nothing for creates and starts, and for what is not known.
[[nodiscard]] std::optional<ContainerEvent> decode(const v1::ContainerEventResponse& event);

// Nothing for an exec's end (each exec probe makes one), other namespaces, and payloads that are not known or broken.
[[nodiscard]] std::optional<ContainerEvent> decode(const containerd::Envelope& event);

}  // namespace keelson::cri
