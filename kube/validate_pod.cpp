// Pods and their specs.
#include "kube/validate.hpp"
#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

void check_dns(const PodSpec& spec, const FieldPath& at, FieldErrors& errors) {
  constexpr std::size_t kMaxNameservers = 3;
  constexpr std::size_t kMaxSearches = 32;
  errors.one_of(at / "dnsPolicy", spec.dns_policy, {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"},
                true);
  FieldPath config = at / "dnsConfig";
  if (spec.dns_policy == "None" && (!spec.dns_config || spec.dns_config->nameservers.empty())) {
    errors.required(config / "nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None");
  }
  if (!spec.dns_config) return;
  const PodDnsConfig& dns = *spec.dns_config;
  if (dns.nameservers.size() > kMaxNameservers) {
    errors.invalid(config / "nameservers", static_cast<std::int64_t>(dns.nameservers.size()),
                   "must not have more than 3 nameservers");
  }
  for (std::size_t i = 0; i < dns.nameservers.size(); ++i) {
    errors.check((config / "nameservers")[i], dns.nameservers[i], check_ip(dns.nameservers[i]));
  }
  if (dns.searches.size() > kMaxSearches) {
    errors.invalid(config / "searches", static_cast<std::int64_t>(dns.searches.size()),
                   "must not have more than 32 search paths");
  }
  for (std::size_t i = 0; i < dns.options.size(); ++i) {
    check_present(dns.options[i].name, (config / "options")[i] / "name", errors);
  }
}

void check_toleration(const Toleration& toleration, const FieldPath& at, FieldErrors& errors) {
  if (!toleration.key.empty()) errors.check(at / "key", toleration.key, check_qualified_name(toleration.key));
  errors.one_of(at / "operator", toleration.op, {"Equal", "Exists", "Lt", "Gt"});
  errors.one_of(at / "effect", toleration.effect, {"NoSchedule", "PreferNoSchedule", "NoExecute"});
  if (toleration.key.empty() && toleration.op != "Exists") {
    errors.invalid(at / "operator", toleration.op, "operator must be Exists when `key` is empty");
  }
  if (toleration.op == "Exists" && !toleration.value.empty()) {
    errors.invalid(at / "value", toleration.value, "value must be empty when `operator` is 'Exists'");
  }
  if (toleration.toleration_seconds && toleration.effect != "NoExecute") {
    errors.invalid(at / "effect", toleration.effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
  }
}

void check_host_namespaces(const PodSpec& spec, const FieldPath& at, FieldErrors& errors) {
  if (spec.host_pid && spec.share_process_namespace.value_or(false)) {
    errors.invalid(at / "shareProcessNamespace", "true", "ShareProcessNamespace and HostPID cannot both be enabled");
  }
  if (spec.host_users.value_or(true)) return;
  if (spec.host_network) errors.forbidden(at / "hostNetwork", "when `hostUsers` is false");
  if (spec.host_pid) errors.forbidden(at / "hostPID", "when `hostUsers` is false");
  if (spec.host_ipc) errors.forbidden(at / "hostIPC", "when `hostUsers` is false");
}

void check_identity(const PodSpec& spec, const FieldPath& at, FieldErrors& errors) {
  auto check = [&](const std::string& value, std::string (*how)(std::string_view), const char* field) {
    if (!value.empty()) errors.check(at / field, value, how(value));
  };
  check(spec.hostname, check_dns_label, "hostname");
  check(spec.subdomain, check_dns_label, "subdomain");
  check(spec.node_name, check_dns_subdomain, "nodeName");
  check(spec.service_account_name, check_dns_subdomain, "serviceAccountName");
  check(spec.priority_class_name, check_dns_subdomain, "priorityClassName");
  check(spec.runtime_class_name.value_or(""), check_dns_subdomain, "runtimeClassName");
  check(spec.hostname_override.value_or(""), check_dns_subdomain, "hostnameOverride");
  for (std::size_t i = 0; i < spec.host_aliases.size(); ++i) {
    FieldPath here = (at / "hostAliases")[i];
    check_required(spec.host_aliases[i].ip, check_ip, here / "ip", errors);
    for (std::size_t h = 0; h < spec.host_aliases[i].hostnames.size(); ++h) {
      const std::string& name = spec.host_aliases[i].hostnames[h];
      errors.check((here / "hostnames")[h], name, check_dns_subdomain(name));
    }
  }
}

void check_scheduling(const PodSpec& spec, const FieldPath& at, FieldErrors& errors) {
  check_labels(spec.node_selector, at / "nodeSelector", errors);
  for (std::size_t i = 0; i < spec.tolerations.size(); ++i) {
    check_toleration(spec.tolerations[i], (at / "tolerations")[i], errors);
  }
  for (std::size_t i = 0; i < spec.readiness_gates.size(); ++i) {
    check_required(spec.readiness_gates[i].condition_type, check_qualified_name,
                   (at / "readinessGates")[i] / "conditionType", errors);
  }
  if (!spec.affinity || !spec.affinity->node_affinity) return;
  if (const auto& required = spec.affinity->node_affinity->required_during_scheduling_ignored_during_execution) {
    check_node_selector(*required, at / "affinity" / "nodeAffinity" / "requiredDuringSchedulingIgnoredDuringExecution",
                        errors);
  }
}

// What an API server would not take with a new pod, or would not let a node have yet.
void check_made_elsewhere(const PodSpec& spec, const FieldPath& at, FieldErrors& errors) {
  if (!spec.ephemeral_containers.empty()) {
    errors.forbidden(at / "ephemeralContainers", "cannot be set on create: they are added to running pods by the API");
  }
  if (!spec.scheduling_gates.empty()) {
    errors.forbidden(at / "schedulingGates", "nothing here would open gate " + spec.scheduling_gates.front().name);
  }
}

}  // namespace

void check_pod_spec(const PodSpec& spec, const FieldPath& at, FieldErrors& errors) {
  NameSet volumes = check_volumes(spec.volumes, at / "volumes", errors);
  check_containers(spec, volumes, at, errors);
  errors.one_of(at / "restartPolicy", spec.restart_policy, {"Always", "OnFailure", "Never"}, true);
  check_at_least(spec.termination_grace_period_seconds, 0, at / "terminationGracePeriodSeconds", errors);
  check_at_least(spec.active_deadline_seconds, 1, at / "activeDeadlineSeconds", errors);
  check_dns(spec, at, errors);
  check_made_elsewhere(spec, at, errors);
  check_host_namespaces(spec, at, errors);
  check_identity(spec, at, errors);
  check_scheduling(spec, at, errors);
  check_amounts(spec.overhead, at / "overhead", errors);
  if (spec.resources) check_resources(*spec.resources, at / "resources", errors);
  if (spec.security_context) check_security(*spec.security_context, at / "securityContext", errors);
  if (spec.os) errors.one_of(at / "os" / "name", spec.os->name, {"linux", "windows"}, true);
}

std::vector<FieldError> validate(const Pod& object) {
  FieldErrors errors;
  check_metadata(object.metadata, true, check_dns_subdomain, errors);
  check_pod_spec(object.spec, FieldPath("spec"), errors);
  return errors.take();
}

}  // namespace keelson::kube
