#include "agent/events/pod_events.hpp"

#include <string>

namespace keelson::agent {
namespace {

template <class Containers>
bool has(const Containers& containers, std::string_view name) {
  for (const auto& container : containers) {
    if (container.name == name) return true;
  }
  return false;
}

}  // namespace

std::optional<kube::ObjectReference> event_object(const kube::Pod& pod, std::string_view journal_object) {
  kube::ObjectReference reference;
  reference.api_version = "v1";
  reference.kind = "Pod";
  reference.ns = pod.metadata.ns;
  reference.name = pod.metadata.name;
  reference.uid = pod.metadata.uid;
  reference.resource_version = pod.metadata.resource_version;
  if (journal_object == "pod") return reference;

  constexpr std::string_view kContainer = "container ";
  if (!journal_object.starts_with(kContainer)) return std::nullopt;
  const std::string_view name = journal_object.substr(kContainer.size());
  const char* list = has(pod.spec.containers, name)             ? "containers"
                     : has(pod.spec.init_containers, name)      ? "initContainers"
                     : has(pod.spec.ephemeral_containers, name) ? "ephemeralContainers"
                                                                : nullptr;
  if (list == nullptr) return std::nullopt;
  reference.field_path = "spec." + std::string(list) + "{" + std::string(name) + "}";
  return reference;
}

}  // namespace keelson::agent
