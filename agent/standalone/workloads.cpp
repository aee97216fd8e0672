#include "agent/standalone/workloads.hpp"

#include "agent/standalone/workload_common.hpp"

namespace keelson::agent {
namespace {

void expand_pod(const ExpandContext& context, const kube::Pod& manifest) {
  for (const auto& p : context.existing) {
    if (p.pod->metadata.uid == manifest.metadata.uid && !p.stopping) {
      context.out.pods.push_back(p.pod);
      return;
    }
  }
  auto pod = std::make_shared<kube::Pod>(manifest);
  pod->metadata.generation = 1;
  pod->metadata.creation_timestamp = std::chrono::floor<Seconds>(context.now);
  pod->metadata.annotations["kubernetes.io/config.source"] = "file";
  pod->metadata.annotations["kubernetes.io/config.hash"] = manifest.metadata.uid;
  pod->spec.node_name = context.node_name;
  context.out.pods.push_back(std::move(pod));
}

}  // namespace

Expansion expand(const ManifestSet& set, const std::vector<ExistingPod>& existing, const std::string& node_name,
                 SystemTime now) {
  Expansion out;
  const ExpandContext context{existing, node_name, now, out};
  for (const auto& [key, pod] : set.pods) expand_pod(context, *pod);
  for (const auto& [key, x] : set.deployments) expand_deployment(context, *x);
  for (const auto& [key, x] : set.replica_sets) expand_replica_set(context, *x);
  for (const auto& [key, x] : set.stateful_sets) expand_stateful_set(context, *x);
  for (const auto& [key, x] : set.daemon_sets) expand_daemon_set(context, *x);
  for (const auto& [key, x] : set.jobs) expand_job(context, *x);
  return out;
}

}  // namespace keelson::agent
