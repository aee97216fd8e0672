#include "cri/event_decode.hpp"

#include <string_view>

namespace keelson::cri {
namespace {

using Kind = ContainerEvent::Kind;

constexpr std::string_view kNamespace = "k8s.io";
constexpr std::string_view kTopics[] = {"/tasks/exit",    "/tasks/oom",         "/tasks/paused",
                                        "/tasks/resumed", "/containers/delete", "/sandboxes/exit"};

// Parses the payload as T if it is one.
template <class T>
std::optional<T> payload(const containerd::Payload& event, std::string_view type) {
  std::string_view url = event.type_url();
  if (const auto slash = url.rfind('/'); slash != std::string_view::npos) url.remove_prefix(slash + 1);
  T out;
  if (url != type || !out.ParseFromString(event.value())) return std::nullopt;
  return out;
}

std::optional<ContainerEvent> make(const std::string& id, Kind kind) {
  if (id.empty()) return std::nullopt;
  ContainerEvent event;
  event.container_id = id;
  event.kind = kind;
  return event;
}

}  // namespace

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::stopped:
      return "stopped";
    case Kind::deleted:
      return "deleted";
    case Kind::oom:
      return "oom";
    case Kind::changed:
      return "changed";
  }
  return "";
}

containerd::SubscribeRequest containerd_subscription() {
  containerd::SubscribeRequest request;
  for (const auto topic : kTopics) {
    request.add_filters("namespace==" + std::string(kNamespace) + ",topic==\"" + std::string(topic) + "\"");
  }
  return request;
}

std::optional<ContainerEvent> decode(const v1::ContainerEventResponse& event) {
  std::optional<ContainerEvent> out;
  if (event.container_event_type() == v1::CONTAINER_STOPPED_EVENT) out = make(event.container_id(), Kind::stopped);
  if (event.container_event_type() == v1::CONTAINER_DELETED_EVENT) out = make(event.container_id(), Kind::deleted);
  if (out) out->sandbox_id = event.pod_sandbox_status().id();
  return out;
}

std::optional<ContainerEvent> decode(const containerd::Envelope& event) {
  if (event.namespace_() != kNamespace) return std::nullopt;
  const auto& any = event.event();
  if (const auto exit = payload<containerd::TaskExit>(any, "containerd.events.TaskExit")) {
    const bool of_exec = !exit->id().empty() && exit->id() != exit->container_id();
    return of_exec ? std::nullopt : make(exit->container_id(), Kind::stopped);
  }
  if (const auto exit = payload<containerd::SandboxExit>(any, "containerd.events.SandboxExit")) {
    return make(exit->sandbox_id(), Kind::stopped);
  }
  if (const auto gone = payload<containerd::ContainerDelete>(any, "containerd.events.ContainerDelete")) {
    return make(gone->id(), Kind::deleted);
  }
  if (const auto oom = payload<containerd::TaskEvent>(any, "containerd.events.TaskOOM")) {
    return make(oom->container_id(), Kind::oom);
  }
  for (const std::string_view type : {"containerd.events.TaskPaused", "containerd.events.TaskResumed"}) {
    if (const auto task = payload<containerd::TaskEvent>(any, type)) return make(task->container_id(), Kind::changed);
  }
  return std::nullopt;
}

}  // namespace keelson::cri
