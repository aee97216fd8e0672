// A pod's volumes.
#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

void refuse_kind(const FieldPath& at, std::string_view kind, FieldErrors& errors) {
  errors.unsupported(at / kind, kind,
                     {"emptyDir", "hostPath", "configMap", "secret", "persistentVolumeClaim", "downwardAPI",
                      "projected", "nfs", "iscsi", "image", "ephemeral"});
}

bool has_backstep(std::string_view path) {
  while (true) {
    std::size_t slash = path.find('/');
    if (path.substr(0, slash) == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

void check_mode(const std::optional<std::int32_t>& mode, const FieldPath& at, FieldErrors& errors) {
  if (mode && (*mode < 0 || *mode > 0777)) {
    errors.invalid(at, *mode, "must be a number between 0 and 0777 (octal), both inclusive");
  }
}

// A file in a volume: relative, and not among the names the atomic writer keeps for itself.
void check_target(const std::string& path, const FieldPath& at, FieldErrors& errors) {
  if (path.empty()) return errors.required(at);
  errors.check(at, path, check_relative_path(path));
  if (path.substr(0, 2) == ".." && path != ".." && path[2] != '/') errors.invalid(at, path, "must not start with '..'");
}

void check_items(const std::vector<KeyToPath>& items, const FieldPath& at, FieldErrors& errors) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    check_present(items[i].key, at[i] / "key", errors);
    check_target(items[i].path, at[i] / "path", errors);
    check_mode(items[i].mode, at[i] / "mode", errors);
  }
}

void check_files(const std::vector<DownwardApiFile>& files, const FieldPath& at, FieldErrors& errors) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const DownwardApiFile& file = files[i];
    check_target(file.path, at[i] / "path", errors);
    check_mode(file.mode, at[i] / "mode", errors);
    if (file.field_ref && file.resource_field_ref) {
      errors.invalid(at[i], file.path, "fieldRef and resourceFieldRef can not be specified simultaneously");
    } else if (file.field_ref) {
      check_field_ref(*file.field_ref, true, at[i] / "fieldRef", errors);
    } else if (file.resource_field_ref) {
      check_present(file.resource_field_ref->container_name, at[i] / "resourceFieldRef" / "containerName", errors);
      check_present(file.resource_field_ref->resource, at[i] / "resourceFieldRef" / "resource", errors);
    } else {
      errors.required(at[i], "one of fieldRef and resourceFieldRef is required");
    }
  }
}

// The ConfigMap or Secret of a projected volume.
void check_object(const ObjectProjection& object, const FieldPath& at, FieldErrors& errors) {
  check_present(object.name, at / "name", errors);
  check_items(object.items, at / "items", errors);
}

void check_projection(const VolumeProjection& source, const FieldPath& at, FieldErrors& errors) {
  constexpr std::int64_t kLeastTokenSeconds = 600;
  int count = 0;
  if (source.secret) ++count, check_object(*source.secret, at / "secret", errors);
  if (source.config_map) ++count, check_object(*source.config_map, at / "configMap", errors);
  if (source.downward_api) ++count, check_files(source.downward_api->items, at / "downwardAPI" / "items", errors);
  if (const auto& token = source.service_account_token) {
    ++count;
    FieldPath here = at / "serviceAccountToken";
    check_target(token->path, here / "path", errors);
    check_at_least(token->expiration_seconds, kLeastTokenSeconds, here / "expirationSeconds", errors);
  }
  if (const auto& bundle = source.cluster_trust_bundle) {
    ++count;
    check_target(bundle->path, at / "clusterTrustBundle" / "path", errors);
    if (bundle->name.empty() == bundle->signer_name.empty()) {
      errors.required(at / "clusterTrustBundle", "exactly one of name and signerName is required");
    }
  }
  if (count == 0) errors.required(at, "must specify a source");
  if (count > 1) errors.forbidden(at, "may not specify more than 1 volume type");
}

void check_empty_dir(const EmptyDirVolumeSource& source, const FieldPath& at, FieldErrors& errors) {
  if (source.size_limit && source.size_limit->sign() < 0) {
    errors.forbidden(at / "sizeLimit", "SizeLimit field must be a valid resource quantity");
  }
  bool huge = source.medium.substr(0, 9) == "HugePages" && (source.medium.size() == 9 || source.medium[9] == '-');
  if (!huge) errors.one_of(at / "medium", source.medium, {"Memory", "HugePages"});
}

void check_projected(const ProjectedVolumeSource& source, const FieldPath& at, FieldErrors& errors) {
  check_mode(source.default_mode, at / "defaultMode", errors);
  for (std::size_t i = 0; i < source.sources.size(); ++i) {
    check_projection(source.sources[i], (at / "sources")[i], errors);
  }
}

void check_ephemeral(const EphemeralVolumeSource& source, const FieldPath& at, FieldErrors& errors) {
  if (!source.volume_claim_template) return errors.required(at / "volumeClaimTemplate");
  check_claim_spec(source.volume_claim_template->spec, at / "volumeClaimTemplate" / "spec", errors);
}

// Returns how many sources the volume has; each is checked.
int check_sources(const Volume& v, const FieldPath& at, FieldErrors& errors) {
  int count = 0;
  auto each = [&](const auto& source, const char* field, auto check) {
    if (!source) return;
    ++count;
    check(*source, at / field);
  };
  each(v.empty_dir, "emptyDir", [&](const auto& s, const FieldPath& p) { check_empty_dir(s, p, errors); });
  each(v.host_path, "hostPath", [&](const auto& s, const FieldPath& p) { check_host_path(s, p, errors); });
  each(v.config_map, "configMap", [&](const auto& s, const FieldPath& p) {
    check_present(s.name, p / "name", errors);
    check_mode(s.default_mode, p / "defaultMode", errors);
    check_items(s.items, p / "items", errors);
  });
  each(v.secret, "secret", [&](const auto& s, const FieldPath& p) {
    check_present(s.secret_name, p / "secretName", errors);
    check_mode(s.default_mode, p / "defaultMode", errors);
    check_items(s.items, p / "items", errors);
  });
  each(v.persistent_volume_claim, "persistentVolumeClaim",
       [&](const auto& s, const FieldPath& p) { check_present(s.claim_name, p / "claimName", errors); });
  each(v.downward_api, "downwardAPI", [&](const auto& s, const FieldPath& p) {
    check_mode(s.default_mode, p / "defaultMode", errors);
    check_files(s.items, p / "items", errors);
  });
  each(v.projected, "projected", [&](const auto& s, const FieldPath& p) { check_projected(s, p, errors); });
  each(v.nfs, "nfs", [&](const auto& s, const FieldPath& p) { check_nfs(s, p, errors); });
  each(v.iscsi, "iscsi", [&](const auto& s, const FieldPath& p) { check_iscsi(s, p, errors); });
  each(v.csi, "csi", [&](const auto&, const FieldPath&) { refuse_kind(at, "csi", errors); });
  each(v.image, "image", [&](const auto& s, const FieldPath& p) {
    check_present(s.reference, p / "reference", errors);
    errors.one_of(p / "pullPolicy", s.pull_policy, {"Always", "IfNotPresent", "Never"});
  });
  each(v.ephemeral, "ephemeral", [&](const auto& s, const FieldPath& p) { check_ephemeral(s, p, errors); });
  return count;
}

void check_volume(const Volume& volume, const FieldPath& at, FieldErrors& errors) {
  for (const std::string& kind : volume.other_sources) refuse_kind(at, kind, errors);
  int count = check_sources(volume, at, errors) + static_cast<int>(volume.other_sources.size());
  if (count == 0) errors.required(at, "must specify a volume type");
  if (count > 1) errors.forbidden(at, "may not specify more than 1 volume type");
}

}  // namespace

std::string check_no_backsteps(std::string_view path) { return has_backstep(path) ? "must not contain '..'" : ""; }

std::string check_relative_path(std::string_view path) {
  return path.substr(0, 1) == "/" ? "must be a relative path" : check_no_backsteps(path);
}

NameSet check_volumes(const std::vector<Volume>& volumes, const FieldPath& at, FieldErrors& errors) {
  NameSet names;
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    check_volume(volumes[i], at[i], errors);
    const std::string& name = volumes[i].name;
    check_required(name, check_dns_label, at[i] / "name", errors);
    if (!name.empty() && !names.insert(name).second) errors.duplicate(at[i] / "name", name);
  }
  return names;
}

}  // namespace keelson::kube
