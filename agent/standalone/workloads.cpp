#include "agent/standalone/workloads.hpp"

#include "agent/standalone/workload_common.hpp"

namespace keelson::agent {
namespace {

void expand_pod(const ExpandContext& context, const kube::Pod& manifest) {
  // The node is part of the UID, as upstream's static pods have it: the same folder runs on many.
  const auto uid = stable_uid(context.node_name + "/" + manifest.metadata.uid);
  for (const auto& p : context.existing) {
    if (p.pod->metadata.uid == uid && !p.stopping) {
      context.out.pods.push_back(p.pod);
      return;
    }
  }
  auto pod = std::make_shared<kube::Pod>(manifest);
  pod->metadata.uid = uid;
  pod->metadata.generation = 1;
  pod->metadata.creation_timestamp = std::chrono::floor<Seconds>(context.now);
  pod->metadata.annotations["kubernetes.io/config.source"] = "file";
  pod->metadata.annotations["kubernetes.io/config.hash"] = uid;
  pod->spec.node_name = context.node_name;
  context.out.pods.push_back(std::move(pod));
}

// "Deployment default/web", or "Pod default/web" for a bare one.
std::string origin(const kube::Pod& pod) {
  const auto& refs = pod.metadata.owner_references;
  const bool owned = !refs.empty() && refs.front().controller.value_or(false);
  return (owned ? refs.front().kind : std::string(kube::Pod::kKind)) + " " +
         kube::object_key(pod.metadata.ns, owned ? refs.front().name : pod.metadata.name);
}

// Of two pods of one name the first counts: a second one would wait for ever.
void refuse_duplicates(Expansion& out) {
  std::map<std::string, std::string> owners;
  std::erase_if(out.pods, [&](const auto& pod) {
    const auto key = kube::object_key(pod->metadata);
    const auto [it, fresh] = owners.emplace(key, origin(*pod));
    if (!fresh) out.problems.push_back({"", origin(*pod), "its pod " + key + " has the name of one of " + it->second});
    return !fresh;
  });
}

}  // namespace

Expansion expand(const ManifestSet& set, const std::vector<ExistingPod>& existing, const std::string& node_name,
                 SystemTime now, const JobRecords& jobs) {
  Expansion out;
  const ExpandContext context{existing, node_name, now, jobs, out};
  for (const auto& [key, pod] : set.pods) expand_pod(context, *pod);
  for (const auto& [key, x] : set.deployments) expand_deployment(context, *x);
  for (const auto& [key, x] : set.replica_sets) expand_replica_set(context, *x);
  for (const auto& [key, x] : set.stateful_sets) expand_stateful_set(context, *x);
  for (const auto& [key, x] : set.daemon_sets) expand_daemon_set(context, *x);
  for (const auto& [key, x] : set.jobs) expand_job(context, *x);
  refuse_duplicates(out);
  return out;
}

}  // namespace keelson::agent
