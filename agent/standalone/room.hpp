// Which of the folder's pods the node has room for. There is no scheduler before this node, so a pod that does not fit is
// not refused for good, as the kubelet does with one that was bound to it: it waits until it fits. Pure.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/spec/node_facts.hpp"
#include "agent/standalone/manifests.hpp"
#include "agent/standalone/workloads.hpp"
#include "kube/node.hpp"

namespace keelson::agent {

struct RoomInput {
  const std::vector<std::shared_ptr<const kube::Pod>>& wanted;
  const std::vector<ExistingPod>& existing;  // what has not ended holds its resources and ports; none of it is put out
  const std::set<std::string>& begun;        // UIDs that fitted before, although they may not exist yet
  const kube::Node& node;                    // name, labels, allocatable
  const std::vector<std::string>& allowed_sysctls;
  const spec::NodeFacts* facts = nullptr;  // as AdmissionInput's
  std::vector<std::string> pressure{};     // as AdmissionInput's; it keeps pods away that are not of critical priority
};

struct Room {
  std::vector<std::shared_ptr<const kube::Pod>> fitting;
  std::vector<SourceProblem> problems;  // one for each pod that does not fit, with the reason of cluster/admission.hpp
};

[[nodiscard]] Room find_room(const RoomInput& input);

}  // namespace keelson::agent
