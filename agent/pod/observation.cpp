#include "agent/pod/observation.hpp"

#include <algorithm>
#include <tuple>

namespace keelson::agent {

const ContainerObservation* PodObservation::find(const std::string& name, std::size_t nth) const {
  for (const auto& c : containers) {
    if (c.name == name && nth-- == 0) return &c;
  }
  return nullptr;
}

const ContainerObservation* PodObservation::find_current(const std::string& name) const {
  if (sandboxes.empty()) return nullptr;
  const auto it = std::find_if(containers.begin(), containers.end(),
                               [&](const auto& c) { return c.name == name && c.sandbox_id == sandboxes.front().id; });
  return it == containers.end() ? nullptr : &*it;
}

const ContainerObservation* PodObservation::find_id(const std::string& id) const {
  const auto it = std::find_if(containers.begin(), containers.end(), [&](const auto& c) { return c.id == id; });
  return it == containers.end() ? nullptr : &*it;
}

bool PodObservation::any_running() const {
  return std::any_of(containers.begin(), containers.end(), [](const auto& c) { return c.state == RunState::running; });
}

void sort_newest_first(PodObservation& observation) {
  std::stable_sort(observation.sandboxes.begin(), observation.sandboxes.end(), [](const auto& a, const auto& b) {
    return std::tie(a.attempt, a.created_at) > std::tie(b.attempt, b.created_at);
  });
  std::stable_sort(observation.containers.begin(), observation.containers.end(), [](const auto& a, const auto& b) {
    return std::tie(a.attempt, a.created_at) > std::tie(b.attempt, b.created_at);
  });
}

}  // namespace keelson::agent
