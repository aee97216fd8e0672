#include "volumes/plan.hpp"

#include <algorithm>
#include <charconv>

#include "base/strings.hpp"
#include "kube/labels.hpp"
#include "volumes/kind.hpp"
#include "volumes/paths.hpp"

namespace keelson::volumes {
namespace {

constexpr const char* kGidAnnotation = "pv.beta.kubernetes.io/gid";
constexpr const char* kProtectionFinalizer = "kubernetes.io/pvc-protection";

Error refused(std::string message) { return make_error(Errc::failed_precondition, std::move(message)); }

template <class T>
std::shared_ptr<const T> find(const kube::ObjectMap<T>& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : found->second;
}

template <class C>
void collect_use(std::map<std::string, VolumeUse>& use, const std::vector<C>& containers) {
  for (const auto& container : containers) {
    for (const auto& mount : container.volume_mounts) use[mount.name].mounted = true;
    for (const auto& device : container.volume_devices) use[device.name].mapped = true;
  }
}

Result<std::shared_ptr<const kube::PersistentVolumeClaim>> find_claim(const PodVolumes& pod, const std::string& name,
                                                                      bool owned) {
  auto claim = find(pod.objects->claims, kube::object_key(pod.pod->metadata.ns, name));
  if (!claim) return make_error(Errc::not_found, "persistentvolumeclaim \"" + name + "\" not found");
  const kube::ObjectMeta& meta = claim->metadata;
  if (owned) {
    const bool ours = std::any_of(
        meta.owner_references.begin(), meta.owner_references.end(),
        [&](const kube::OwnerReference& o) { return o.controller.value_or(false) && o.uid == pod.pod->metadata.uid; });
    if (!ours)
      return refused("PVC " + kube::object_key(meta) + " was not created for pod " +
                     kube::object_key(pod.pod->metadata) + " (pod is not owner)");
  }
  if (meta.deletion_timestamp &&
      std::find(meta.finalizers.begin(), meta.finalizers.end(), kProtectionFinalizer) == meta.finalizers.end()) {
    return refused("PVC is being deleted");
  }
  if (claim->status.phase != "Bound") return refused("PVC is not bound");
  if (claim->spec.volume_name.empty()) return refused("PVC has empty pvc.Spec.VolumeName");
  return claim;
}

Result<std::shared_ptr<const kube::PersistentVolume>> find_persistent_volume(const PodVolumes& pod,
                                                                             const kube::PersistentVolumeClaim& claim) {
  const std::string& name = claim.spec.volume_name;
  auto volume = find(pod.objects->volumes, name);
  if (!volume) return make_error(Errc::not_found, "persistentvolume \"" + name + "\" not found");
  if (!volume->spec.claim_ref) {
    return refused("found PV object " + name +
                   " but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim");
  }
  if (volume->spec.claim_ref->uid != claim.metadata.uid) {
    return refused("found PV object " + name + " but its pv.Spec.ClaimRef.UID " + volume->spec.claim_ref->uid +
                   " does not point to claim.UID " + claim.metadata.uid);
  }
  return volume;
}

Result<void> check_mode(const std::string& volume, const std::string& mode, const VolumeUse& use) {
  const bool block = mode == "Block";
  if (block && use.mounted) {
    return refused("volume " + volume + " has volumeMode Block, but is specified in volumeMounts");
  }
  if (!block && use.mapped) {
    return refused("volume " + volume + " has volumeMode Filesystem, but is specified in volumeDevices");
  }
  return {};
}

Result<void> check_node(const kube::PersistentVolume& volume, const NodeFacts& node) {
  const auto& affinity = volume.spec.node_affinity;
  if (!affinity || !affinity->required || kube::matches(*affinity->required, node.labels, node.name)) return {};
  return refused("NodeAffinity check failed for volume \"" + volume.metadata.name +
                 "\": no matching NodeSelectorTerms");
}

Error unsupported(const std::string& field) {
  return make_error(Errc::unimplemented, field + ": this node does not support this kind of volume");
}

Result<std::string> plugin_of(const kube::PersistentVolume& volume) {
  const kube::PersistentVolumeSpec& spec = volume.spec;
  if (spec.host_path) return std::string(kHostPathPlugin);
  if (spec.local) return std::string(kLocalPlugin);
  if (spec.nfs) return std::string(kNfsPlugin);
  if (spec.iscsi) return std::string(kIscsiPlugin);
  const std::string field = "PersistentVolume " + volume.metadata.name + ": spec.";
  if (spec.csi) return unsupported(field + "csi");
  if (!spec.other_sources.empty()) return unsupported(field + spec.other_sources.front());
  return make_error(Errc::invalid_argument, "PersistentVolume " + volume.metadata.name + " has no source");
}

Result<std::string> plugin_of(const kube::Pod& pod, const kube::Volume& volume) {
  if (volume.empty_dir) return std::string(kEmptyDirPlugin);
  if (volume.host_path) return std::string(kHostPathPlugin);
  if (volume.config_map) return std::string(kConfigMapPlugin);
  if (volume.secret) return std::string(kSecretPlugin);
  if (volume.downward_api) return std::string(kDownwardApiPlugin);
  if (volume.projected) return std::string(kProjectedPlugin);
  if (volume.nfs) return std::string(kNfsPlugin);
  if (volume.iscsi) return std::string(kIscsiPlugin);
  const auto at = std::find_if(pod.spec.volumes.begin(), pod.spec.volumes.end(),
                               [&](const kube::Volume& v) { return v.name == volume.name; });
  const std::string field = "spec.volumes[" + std::to_string(at - pod.spec.volumes.begin()) + "]";
  if (volume.csi) return unsupported(field + ".csi");
  if (!volume.other_sources.empty()) return unsupported(field + "." + volume.other_sources.front());
  return make_error(Errc::invalid_argument, field + ": the volume has no source");
}

// Fills in claim, PersistentVolume and what follows from them.
Result<void> resolve_claim(VolumeRequest& request, const PodVolumes& pod, const NodeFacts& node, const VolumeUse& use,
                           const std::string& claim_name, bool owned) {
  TRY(request.claim, find_claim(pod, claim_name, owned));
  TRY(request.persistent_volume, find_persistent_volume(pod, *request.claim));
  const kube::PersistentVolume& volume = *request.persistent_volume;
  CHECK_OK(check_mode(request.volume.name, volume.spec.volume_mode, use));
  CHECK_OK(check_node(volume, node));
  TRY(request.plugin, plugin_of(volume));
  request.inner_name = volume.metadata.name;
  request.block = use.mapped;
  request.read_only = request.read_only || (volume.spec.csi && volume.spec.csi->read_only) ||
                      (volume.spec.nfs && volume.spec.nfs->read_only) ||
                      (volume.spec.iscsi && volume.spec.iscsi->read_only);
  return {};
}

Result<void> resolve(VolumeRequest& request, const PodVolumes& pod, const NodeFacts& node, const VolumeUse& use) {
  CHECK_OK(check_component("volume name", request.volume.name));
  const auto& claim = request.volume.persistent_volume_claim;
  if (claim || request.volume.ephemeral) {
    const std::string name = claim ? claim->claim_name : pod.pod->metadata.name + "-" + request.volume.name;
    request.read_only = claim && claim->read_only;
    CHECK_OK(with_context(resolve_claim(request, pod, node, use, name, !claim),
                          "error processing PVC " + kube::object_key(pod.pod->metadata.ns, name)));
    return check_component("PersistentVolume name", request.inner_name);
  }
  TRY(request.plugin, plugin_of(*pod.pod, request.volume));
  request.read_only = (request.volume.nfs && request.volume.nfs->read_only) ||
                      (request.volume.iscsi && request.volume.iscsi->read_only);
  return check_mode(request.volume.name, "Filesystem", use);
}

}  // namespace

std::map<std::string, VolumeUse> volumes_in_use(const kube::Pod& pod) {
  std::map<std::string, VolumeUse> use;
  collect_use(use, pod.spec.init_containers);
  collect_use(use, pod.spec.containers);
  collect_use(use, pod.spec.ephemeral_containers);
  return use;
}

VolumePlan plan_volumes(const PodVolumes& pod, const NodeFacts& node) {
  VolumePlan plan;
  const auto use = volumes_in_use(*pod.pod);
  const auto& security = pod.pod->spec.security_context;
  for (const kube::Volume& volume : pod.pod->spec.volumes) {
    const auto used = use.find(volume.name);
    if (used == use.end() || volume.image) continue;
    VolumeRequest request;
    request.pod = pod.pod;
    request.objects = pod.objects;
    request.volume = volume;
    request.inner_name = volume.name;
    if (security) {
      request.fs_group = security->fs_group;
      request.fs_group_on_root_mismatch = security->fs_group_change_policy == "OnRootMismatch";
    }
    if (auto resolved = resolve(request, pod, node, used->second); !resolved) {
      plan.failures.push_back({volume.name, resolved.error()});
    } else {
      plan.requests.push_back(std::move(request));
    }
  }
  return plan;
}

std::vector<std::int64_t> supplemental_groups(const VolumeRequest& request) {
  if (!request.persistent_volume) return {};
  const auto& annotations = request.persistent_volume->metadata.annotations;
  const auto found = annotations.find(kGidAnnotation);
  if (found == annotations.end()) return {};
  const std::string& text = found->second;
  std::int64_t gid = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), gid);
  if (ec != std::errc() || end != text.data() + text.size() || gid < 0) return {};
  return {gid};
}

Error failed_to_process(const std::vector<ResolveFailure>& failures) {
  std::vector<std::string> names;
  std::vector<std::string> texts;
  for (const ResolveFailure& failure : failures) {
    names.push_back(failure.volume);
    texts.push_back(failure.error.message);
  }
  const std::string list = "[" + join(names, " ") + "]";
  return make_error(failures.front().error.code,
                    "Unable to attach or mount volumes: unmounted volumes=" + list +
                        ", unattached volumes=[], failed to process volumes=" + list + ": " + join(texts, ", "),
                    "FailedMount");
}

Error failed_to_mount(const std::string& inner_name, const Error& error) {
  return make_error(error.code, "MountVolume.SetUp failed for volume \"" + inner_name + "\" : " + error.message,
                    "FailedMount");
}

}  // namespace keelson::volumes
