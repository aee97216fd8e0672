#include "agent/standalone/room.hpp"

#include <algorithm>

#include "agent/cluster/admission.hpp"
#include "agent/pod/status.hpp"

namespace keelson::agent {
namespace {

// Of a pod that a workload made, the workload: that is what a person wrote.
std::string described(const kube::Pod& pod) {
  const auto& meta = pod.metadata;
  if (meta.owner_references.empty()) return "Pod " + kube::object_key(meta);
  const auto& owner = meta.owner_references.front();
  const auto dash = owner.name.rfind('-');
  if (owner.kind != "ReplicaSet" || dash == std::string::npos)
    return owner.kind + " " + kube::object_key(meta.ns, owner.name);
  return "Deployment " + kube::object_key(meta.ns, owner.name.substr(0, dash));
}

bool same_name(const kube::Pod& a, const kube::Pod& b) {
  return a.metadata.name == b.metadata.name && a.metadata.ns == b.metadata.ns;
}

}  // namespace

Room find_room(const RoomInput& in) {
  Room out;
  std::vector<const kube::Pod*> holders;
  std::set<std::string> existing;
  for (const auto& entry : in.existing) {
    existing.insert(entry.pod->metadata.uid);
    if (!entry.status || !is_terminal_phase(entry.status->phase)) holders.push_back(entry.pod.get());
  }
  const auto is_in = [&](const kube::Pod& pod) {
    return existing.count(pod.metadata.uid) > 0 || in.begun.count(pod.metadata.uid) > 0;
  };
  for (const auto& pod : in.wanted) {
    if (is_in(*pod) && existing.count(pod->metadata.uid) == 0) holders.push_back(pod.get());
  }
  for (const auto& pod : in.wanted) {
    if (is_in(*pod)) {
      out.fitting.push_back(pod);
      continue;
    }
    // An earlier pod of the same name is gone before this one starts.
    std::vector<const kube::Pod*> others;
    std::copy_if(holders.begin(), holders.end(), std::back_inserter(others),
                 [&](const auto* other) { return !same_name(*other, *pod); });
    const auto rejection = admit({.pod = *pod,
                                  .node = in.node,
                                  .others = others,
                                  .allowed_sysctls = in.allowed_sysctls,
                                  .from_folder = true,
                                  .pressure = in.pressure,
                                  .shutting_down = false,
                                  .facts = in.facts});
    if (rejection) {
      out.problems.push_back({"", described(*pod),
                              rejection->reason + ": " + rejection->message + "; pod " +
                                  kube::object_key(pod->metadata) + " starts as soon as the node can take it"});
      continue;
    }
    holders.push_back(pod.get());
    out.fitting.push_back(pod);
  }
  return out;
}

}  // namespace keelson::agent
