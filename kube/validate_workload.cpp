// Deployments, ReplicaSets, StatefulSets, DaemonSets and Jobs.
#include <charconv>

#include "kube/labels.hpp"
#include "kube/validate.hpp"
#include "kube/validate_parts.hpp"
#include "kube/workload.hpp"

namespace keelson::kube {
namespace {

void check_template(const PodTemplateSpec& pod_template, const FieldPath& at, FieldErrors& errors) {
  check_labels(pod_template.metadata.labels, at / "metadata" / "labels", errors);
  check_annotations(pod_template.metadata.annotations, at / "metadata" / "annotations", errors);
  check_pod_spec(pod_template.spec, at / "spec", errors);
}

// The template of what must run for ever, and the selector that finds its pods again.
void check_selected_template(const std::optional<LabelSelector>& selector, const PodTemplateSpec& pod_template,
                             FieldErrors& errors) {
  FieldPath at("spec");
  check_template(pod_template, at / "template", errors);
  const std::string& policy = pod_template.spec.restart_policy;
  if (!policy.empty() && policy != "Always") {
    errors.unsupported(at / "template" / "spec" / "restartPolicy", policy, {"Always"});
  }
  if (pod_template.spec.active_deadline_seconds) {
    errors.forbidden(at / "template" / "spec" / "activeDeadlineSeconds", "activeDeadlineSeconds is not supported here");
  }
  if (!selector) return errors.required(at / "selector");
  check_selector(*selector, at / "selector", errors);
  if (selector->match_labels.empty() && selector->match_expressions.empty()) {
    errors.invalid(at / "selector", "", "empty selector is invalid here");
  } else if (!matches(*selector, pod_template.metadata.labels)) {
    errors.invalid(at / "template" / "metadata" / "labels", format_label_selector(*selector),
                   "`selector` does not match template `labels`");
  }
}

// A count or a percentage up to `max_percent`.
void check_share(const std::optional<IntOrString>& share, std::int32_t max_percent, const FieldPath& at,
                 FieldErrors& errors) {
  if (!share) return;
  if (share->is_int()) return errors.at_least(at, share->int_value(), 0);
  std::string text = share->string_value();
  std::int32_t percent = -1;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (ec != std::errc() || end + 1 != text.data() + text.size() || *end != '%' || percent < 0) {
    errors.invalid(at, text, "a valid percent string must be a numeric string followed by an ending '%'");
  } else if (percent > max_percent) {
    errors.invalid(at, text, "must not be greater than " + std::to_string(max_percent) + "%");
  }
}

bool is_zero(const std::optional<IntOrString>& share) {
  return share && (share->is_int() ? share->int_value() == 0 : share->string_value() == "0%");
}

// `either` is true where surge and unavailability must not both be zero.
void check_rolling(const UpdateStrategy& strategy, bool either, const FieldPath& at, FieldErrors& errors) {
  constexpr std::int32_t kAnySurge = 100000;
  if (!strategy.rolling_update) return;
  FieldPath here = at / "rollingUpdate";
  if (strategy.type != "RollingUpdate") {
    return errors.forbidden(here, "may not be specified when strategy `type` is '" + strategy.type + "'");
  }
  const RollingUpdate& update = *strategy.rolling_update;
  check_share(update.max_unavailable, 100, here / "maxUnavailable", errors);
  check_share(update.max_surge, kAnySurge, here / "maxSurge", errors);
  check_at_least(update.partition, 0, here / "partition", errors);
  if (either && is_zero(update.max_unavailable) && is_zero(update.max_surge)) {
    errors.invalid(here / "maxUnavailable", update.max_unavailable->to_string(), "may not be 0 when `maxSurge` is 0");
  }
}

void check_claim_templates(const std::vector<PersistentVolumeClaim>& claims, FieldErrors& errors) {
  FieldPath at = FieldPath("spec") / "volumeClaimTemplates";
  NameSet names;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const std::string& name = claims[i].metadata.name;
    check_required(name, check_dns_label, at[i] / "metadata" / "name", errors);
    if (!names.insert(name).second) errors.duplicate(at[i] / "metadata" / "name", name);
    check_claim_spec(claims[i].spec, at[i] / "spec", errors);
  }
}

// Each pod gets a volume by the name of each claim template, in place of the template's own.
PodTemplateSpec with_claim_volumes(const StatefulSetSpec& spec) {
  PodTemplateSpec result = spec.pod_template;
  for (const PersistentVolumeClaim& claim : spec.volume_claim_templates) {
    const std::string& name = claim.metadata.name;
    std::erase_if(result.spec.volumes, [&](const Volume& volume) { return volume.name == name; });
    Volume volume;
    volume.name = name;
    volume.persistent_volume_claim.emplace().claim_name = name;
    result.spec.volumes.push_back(std::move(volume));
  }
  return result;
}

}  // namespace

std::vector<FieldError> validate(const Deployment& object) {
  FieldErrors errors;
  FieldPath at("spec");
  const DeploymentSpec& spec = object.spec;
  check_metadata(object.metadata, true, check_dns_subdomain, errors);
  check_selected_template(spec.selector, spec.pod_template, errors);
  check_at_least(spec.replicas, 0, at / "replicas", errors);
  check_at_least(spec.revision_history_limit, 0, at / "revisionHistoryLimit", errors);
  errors.at_least(at / "minReadySeconds", spec.min_ready_seconds, 0);
  errors.one_of(at / "strategy" / "type", spec.strategy.type, {"Recreate", "RollingUpdate"}, true);
  check_rolling(spec.strategy, true, at / "strategy", errors);
  if (spec.progress_deadline_seconds && *spec.progress_deadline_seconds <= spec.min_ready_seconds) {
    errors.invalid(at / "progressDeadlineSeconds", *spec.progress_deadline_seconds,
                   "must be greater than minReadySeconds");
  }
  return errors.take();
}

std::vector<FieldError> validate(const ReplicaSet& object) {
  FieldErrors errors;
  check_metadata(object.metadata, true, check_dns_subdomain, errors);
  check_selected_template(object.spec.selector, object.spec.pod_template, errors);
  check_at_least(object.spec.replicas, 0, FieldPath("spec") / "replicas", errors);
  errors.at_least(FieldPath("spec") / "minReadySeconds", object.spec.min_ready_seconds, 0);
  return errors.take();
}

std::vector<FieldError> validate(const StatefulSet& object) {
  FieldErrors errors;
  FieldPath at("spec");
  const StatefulSetSpec& spec = object.spec;
  check_metadata(object.metadata, true, check_dns_subdomain, errors);
  check_selected_template(spec.selector, with_claim_volumes(spec), errors);
  check_claim_templates(spec.volume_claim_templates, errors);
  check_at_least(spec.replicas, 0, at / "replicas", errors);
  errors.at_least(at / "minReadySeconds", spec.min_ready_seconds, 0);
  errors.one_of(at / "podManagementPolicy", spec.pod_management_policy, {"OrderedReady", "Parallel"}, true);
  errors.one_of(at / "updateStrategy" / "type", spec.update_strategy.type, {"OnDelete", "RollingUpdate"}, true);
  check_rolling(spec.update_strategy, false, at / "updateStrategy", errors);
  if (spec.ordinals) errors.at_least(at / "ordinals" / "start", spec.ordinals->start, 0);
  if (!spec.persistent_volume_claim_retention_policy) return errors.take();
  FieldPath retention = at / "persistentVolumeClaimRetentionPolicy";
  const ClaimRetentionPolicy& policy = *spec.persistent_volume_claim_retention_policy;
  errors.one_of(retention / "whenDeleted", policy.when_deleted, {"Retain", "Delete"}, true);
  errors.one_of(retention / "whenScaled", policy.when_scaled, {"Retain", "Delete"}, true);
  return errors.take();
}

std::vector<FieldError> validate(const DaemonSet& object) {
  FieldErrors errors;
  FieldPath at("spec");
  check_metadata(object.metadata, true, check_dns_subdomain, errors);
  check_selected_template(object.spec.selector, object.spec.pod_template, errors);
  errors.at_least(at / "minReadySeconds", object.spec.min_ready_seconds, 0);
  errors.one_of(at / "updateStrategy" / "type", object.spec.update_strategy.type, {"OnDelete", "RollingUpdate"}, true);
  check_rolling(object.spec.update_strategy, true, at / "updateStrategy", errors);
  return errors.take();
}

std::vector<FieldError> validate(const Job& object) {
  FieldErrors errors;
  FieldPath at("spec");
  const JobSpec& spec = object.spec;
  check_metadata(object.metadata, true, check_dns_subdomain, errors);
  check_template(spec.pod_template, at / "template", errors);
  const std::string& policy = spec.pod_template.spec.restart_policy;
  if (policy != "OnFailure" && policy != "Never") {
    errors.unsupported(at / "template" / "spec" / "restartPolicy", policy, {"OnFailure", "Never"});
  }
  check_at_least(spec.parallelism, 0, at / "parallelism", errors);
  check_at_least(spec.completions, 0, at / "completions", errors);
  check_at_least(spec.backoff_limit, 0, at / "backoffLimit", errors);
  check_at_least(spec.active_deadline_seconds, 0, at / "activeDeadlineSeconds", errors);
  check_at_least(spec.ttl_seconds_after_finished, 0, at / "ttlSecondsAfterFinished", errors);
  errors.one_of(at / "completionMode", spec.completion_mode, {"Indexed", "NonIndexed"}, true);
  if (spec.completion_mode == "Indexed" && !spec.completions) {
    errors.required(at / "completions", "when completion mode is Indexed");
  }
  errors.one_of(at / "podReplacementPolicy", spec.pod_replacement_policy, {"Failed", "TerminatingOrFailed"});
  return errors.take();
}

}  // namespace keelson::kube
