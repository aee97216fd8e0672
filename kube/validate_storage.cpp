// PersistentVolumes and their claims, and the sources that pods share with them.
#include <algorithm>

#include "kube/storage.hpp"
#include "kube/validate.hpp"
#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

void check_access_modes(const std::vector<std::string>& modes, const FieldPath& at, FieldErrors& errors) {
  if (modes.empty()) errors.required(at, "at least 1 access mode is required");
  for (const std::string& mode : modes) {
    errors.one_of(at, mode, {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"}, true);
  }
  if (modes.size() > 1 && std::find(modes.begin(), modes.end(), "ReadWriteOncePod") != modes.end()) {
    errors.forbidden(at, "may not use ReadWriteOncePod with other access modes");
  }
}

// A storage amount must be there and above zero.
void check_storage(const ResourceList& amounts, const FieldPath& at, FieldErrors& errors) {
  auto storage = amounts.find("storage");
  if (storage == amounts.end()) return errors.required(at.key("storage"));
  if (storage->second.sign() <= 0) {
    errors.invalid(at.key("storage"), storage->second.to_string(), "must be greater than zero");
  }
}

void check_local(const PersistentVolumeSpec& spec, const FieldPath& at, FieldErrors& errors) {
  if (spec.local->path.empty()) {
    errors.required(at / "local" / "path");
  } else {
    errors.check(at / "local" / "path", spec.local->path, check_no_backsteps(spec.local->path));
  }
  if (!spec.node_affinity || !spec.node_affinity->required) {
    errors.required(at / "nodeAffinity", "Local volume requires node affinity");
  }
}

void check_volume_source(const PersistentVolumeSpec& spec, const FieldPath& at, FieldErrors& errors) {
    std::vector<std::string> others = spec.other_sources;
  if (spec.csi) others.emplace_back("csi");
  for (const std::string& kind : others) {
    errors.unsupported(at / kind, kind, {"hostPath", "local", "nfs", "iscsi"});
  }
  auto count = static_cast<int>(others.size());
  if (spec.host_path) ++count, check_host_path(*spec.host_path, at / "hostPath", errors);
  if (spec.local) ++count, check_local(spec, at, errors);
  if (spec.nfs) ++count, check_nfs(*spec.nfs, at / "nfs", errors);
  if (spec.iscsi) ++count, check_iscsi(*spec.iscsi, at / "iscsi", errors);
  if (count == 0) errors.required(at, "must specify a volume type");
  if (count > 1) errors.forbidden(at, "may not specify more than 1 volume type");
}

}  // namespace

void check_host_path(const HostPathVolumeSource& source, const FieldPath& at, FieldErrors& errors) {
  if (source.path.empty()) {
    errors.required(at / "path");
  } else {
    errors.check(at / "path", source.path, check_no_backsteps(source.path));
  }
  errors.one_of(at / "type", source.type.value_or(""),
                {"", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"});
}

void check_nfs(const NfsVolumeSource& source, const FieldPath& at, FieldErrors& errors) {
  check_present(source.server, at / "server", errors);
  if (source.path.empty()) {
    errors.required(at / "path");
  } else if (source.path[0] != '/') {
    errors.invalid(at / "path", source.path, "must be an absolute path");
  }
}

void check_iscsi(const IscsiVolumeSource& source, const FieldPath& at, FieldErrors& errors) {
  constexpr std::int32_t kMaxLun = 255;
  check_present(source.target_portal, at / "targetPortal", errors);
  check_present(source.iqn, at / "iqn", errors);
  std::string_view name = source.iqn;
  if (!name.empty() && name.substr(0, 3) != "iqn" && name.substr(0, 3) != "eui" && name.substr(0, 3) != "naa") {
    errors.invalid(at / "iqn", source.iqn, "must be valid format starting with iqn, eui, or naa");
  }
  if (source.lun < 0 || source.lun > kMaxLun) {
    errors.invalid(at / "lun", source.lun, "must be between 0 and 255, inclusive");
  }
}

void check_claim_spec(const PersistentVolumeClaimSpec& spec, const FieldPath& at, FieldErrors& errors) {
  check_access_modes(spec.access_modes, at / "accessModes", errors);
  check_storage(spec.resources.requests, at / "resources" / "requests", errors);
  errors.one_of(at / "volumeMode", spec.volume_mode, {"Block", "Filesystem"}, true);
  if (spec.selector) check_selector(*spec.selector, at / "selector", errors);
  if (spec.storage_class_name && !spec.storage_class_name->empty()) {
    errors.check(at / "storageClassName", *spec.storage_class_name, check_dns_subdomain(*spec.storage_class_name));
  }
}

std::vector<FieldError> validate(const PersistentVolumeClaim& object) {
  FieldErrors errors;
  check_metadata(object.metadata, true, check_dns_subdomain, errors);
  check_claim_spec(object.spec, FieldPath("spec"), errors);
  return errors.take();
}

std::vector<FieldError> validate(const PersistentVolume& object) {
  FieldErrors errors;
  FieldPath at("spec");
  const PersistentVolumeSpec& spec = object.spec;
  check_metadata(object.metadata, false, check_dns_subdomain, errors);
  check_access_modes(spec.access_modes, at / "accessModes", errors);
  check_storage(spec.capacity, at / "capacity", errors);
  check_volume_source(spec, at, errors);
  errors.one_of(at / "persistentVolumeReclaimPolicy", spec.persistent_volume_reclaim_policy,
                {"Delete", "Recycle", "Retain"}, true);
  errors.one_of(at / "volumeMode", spec.volume_mode, {"Block", "Filesystem"}, true);
  if (spec.node_affinity && spec.node_affinity->required) {
    check_node_selector(*spec.node_affinity->required, at / "nodeAffinity" / "required", errors);
  }
  if (!spec.storage_class_name.empty()) {
    errors.check(at / "storageClassName", spec.storage_class_name, check_dns_subdomain(spec.storage_class_name));
  }
  return errors.take();
}

}  // namespace keelson::kube
