// The parts of validation that several kinds share. Internal to the validate_*.cpp.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kube/field_error.hpp"
#include "kube/names.hpp"
#include "kube/pod.hpp"

namespace keelson::kube {

using NameSet = std::set<std::string, std::less<>>;

// A name that must be there and pass `check`.
void check_required(const std::string& value, std::string (*check)(std::string_view), const FieldPath& at,
                    FieldErrors& errors);
// A text that must not be empty.
void check_present(const std::string& value, const FieldPath& at, FieldErrors& errors);
// An optional that, where it is there, is at least `min`.
template <class T>
void check_at_least(const std::optional<T>& value, std::int64_t min, const FieldPath& at, FieldErrors& errors) {
  if (value) errors.at_least(at, *value, min);
}

// metadata: the name by `check`, the namespace where the kind has one, labels and annotations.
void check_metadata(const ObjectMeta& meta, bool namespaced, std::string (*check)(std::string_view),
                    FieldErrors& errors);
void check_labels(const StringMap& labels, const FieldPath& at, FieldErrors& errors);
void check_annotations(const StringMap& annotations, const FieldPath& at, FieldErrors& errors);
void check_selector(const LabelSelector& selector, const FieldPath& at, FieldErrors& errors);
void check_node_selector(const NodeSelector& selector, const FieldPath& at, FieldErrors& errors);

// No amount is negative.
void check_amounts(const ResourceList& amounts, const FieldPath& at, FieldErrors& errors);
void check_resources(const ResourceRequirements& resources, const FieldPath& at, FieldErrors& errors);

enum class ProbeKind { liveness, readiness, startup };
void check_probe(const Probe& probe, ProbeKind kind, const FieldPath& at, FieldErrors& errors);
void check_lifecycle(const Lifecycle& lifecycle, std::int64_t grace_seconds, const FieldPath& at, FieldErrors& errors);

void check_security(const SecurityContext& context, const FieldPath& at, FieldErrors& errors);
void check_security(const PodSecurityContext& context, const FieldPath& at, FieldErrors& errors);

void check_env(const Container& container, const FieldPath& at, FieldErrors& errors);
// metadata.name and the like, for `in_volume` or for the environment.
void check_field_ref(const ObjectFieldSelector& selector, bool in_volume, const FieldPath& at, FieldErrors& errors);

// All containers of a pod, against the names of its volumes.
void check_containers(const PodSpec& spec, const NameSet& volumes, const FieldPath& at, FieldErrors& errors);
// The volumes; returns their names.
NameSet check_volumes(const std::vector<Volume>& volumes, const FieldPath& at, FieldErrors& errors);
void check_host_path(const HostPathVolumeSource& source, const FieldPath& at, FieldErrors& errors);
void check_nfs(const NfsVolumeSource& source, const FieldPath& at, FieldErrors& errors);
void check_iscsi(const IscsiVolumeSource& source, const FieldPath& at, FieldErrors& errors);
void check_claim_spec(const PersistentVolumeClaimSpec& spec, const FieldPath& at, FieldErrors& errors);
// "" when the path has no ".." in it.
[[nodiscard]] std::string check_no_backsteps(std::string_view path);
// "" when the path is relative and without "..".
[[nodiscard]] std::string check_relative_path(std::string_view path);

void check_pod_spec(const PodSpec& spec, const FieldPath& at, FieldErrors& errors);

}  // namespace keelson::kube
