#include "agent/standalone/ephemeral_claims.hpp"

namespace keelson::agent {

std::vector<std::shared_ptr<const kube::PersistentVolumeClaim>> ephemeral_claims(const kube::Pod& pod) {
  std::vector<std::shared_ptr<const kube::PersistentVolumeClaim>> out;
  for (const kube::Volume& volume : pod.spec.volumes) {
    if (!volume.ephemeral || !volume.ephemeral->volume_claim_template) continue;
    const kube::PersistentVolumeClaimTemplate& made_from = *volume.ephemeral->volume_claim_template;
    auto claim = std::make_shared<kube::PersistentVolumeClaim>();
    claim->metadata.name = pod.metadata.name + "-" + volume.name;
    claim->metadata.ns = pod.metadata.ns;
    claim->metadata.labels = made_from.metadata.labels;
    claim->metadata.annotations = made_from.metadata.annotations;
    kube::OwnerReference& owner = claim->metadata.owner_references.emplace_back();
    owner.api_version = "v1";
    owner.kind = "Pod";
    owner.name = pod.metadata.name;
    owner.uid = pod.metadata.uid;
    owner.controller = true;
    owner.block_owner_deletion = true;
    claim->spec = made_from.spec;
    out.push_back(std::move(claim));
  }
  return out;
}

}  // namespace keelson::agent
