#include "agent/spec/references.hpp"

namespace keelson::spec {
namespace {

void add(std::set<std::string>& names, const std::string& name) {
  if (!name.empty()) names.insert(name);
}

void collect(References& out, const kube::Container& container) {
  for (const auto& source : container.env_from) {
    if (source.config_map_ref) add(out.config_maps, source.config_map_ref->name);
    if (source.secret_ref) add(out.secrets, source.secret_ref->name);
  }
  for (const auto& variable : container.env) {
    if (!variable.value_from) continue;
    if (variable.value_from->config_map_key_ref) add(out.config_maps, variable.value_from->config_map_key_ref->name);
    if (variable.value_from->secret_key_ref) add(out.secrets, variable.value_from->secret_key_ref->name);
  }
}

void collect(References& out, const kube::Pod& pod, const kube::Volume& volume) {
  if (volume.config_map) add(out.config_maps, volume.config_map->name);
  if (volume.secret) add(out.secrets, volume.secret->secret_name);
  if (volume.persistent_volume_claim) add(out.claims, volume.persistent_volume_claim->claim_name);
  if (volume.ephemeral) add(out.claims, pod.metadata.name + '-' + volume.name);
  if (volume.iscsi && volume.iscsi->secret_ref) add(out.secrets, volume.iscsi->secret_ref->name);
  if (volume.csi && volume.csi->node_publish_secret_ref) add(out.secrets, volume.csi->node_publish_secret_ref->name);
  if (!volume.projected) return;
  for (const auto& source : volume.projected->sources) {
    if (source.config_map) add(out.config_maps, source.config_map->name);
    if (source.secret) add(out.secrets, source.secret->name);
  }
}

}  // namespace

References references(const kube::Pod& pod) {
  References out;
  for (const auto& container : pod.spec.init_containers) collect(out, container);
  for (const auto& container : pod.spec.containers) collect(out, container);
  for (const auto& container : pod.spec.ephemeral_containers) collect(out, container);
  for (const auto& volume : pod.spec.volumes) collect(out, pod, volume);
  for (const auto& secret : pod.spec.image_pull_secrets) add(out.image_pull_secrets, secret.name);
  out.service_account = pod.spec.service_account_name;
  return out;
}

}  // namespace keelson::spec
