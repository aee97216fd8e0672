// Containers.
#include "base/strings.hpp"
#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

enum class Role { init, sidecar, regular, ephemeral };

struct Scope {
  const PodSpec& spec;
  const NameSet& volumes;
  FieldErrors& errors;
  NameSet names{};       // of all containers so far
  NameSet host_ports{};  // "TCP 0.0.0.0 80", of the regular containers
};

void check_port(const ContainerPort& port, Scope& scope, NameSet& names, const FieldPath& at) {
  FieldErrors& errors = scope.errors;
  if (!port.name.empty()) {
    errors.check(at / "name", port.name, check_port_name(port.name));
    if (!names.insert(port.name).second) errors.duplicate(at / "name", port.name);
  }
  if (port.container_port == 0) {
    errors.required(at / "containerPort");
  } else if (std::string why = check_port_number(port.container_port); !why.empty()) {
    errors.invalid(at / "containerPort", port.container_port, why);
  }
  errors.one_of(at / "protocol", port.protocol, {"TCP", "UDP", "SCTP"}, true);
  if (!port.host_ip.empty()) errors.check(at / "hostIP", port.host_ip, check_ip(port.host_ip));
  if (port.host_port == 0) return;
  if (std::string why = check_port_number(port.host_port); !why.empty()) {
    errors.invalid(at / "hostPort", port.host_port, why);
  }
  if (scope.spec.host_network && port.host_port != port.container_port) {
    errors.invalid(at / "containerPort", port.container_port, "must match `hostPort` when `hostNetwork` is true");
  }
}

// Regular containers run side by side, so their ports on the host must differ.
void check_host_ports(const std::vector<ContainerPort>& ports, Scope& scope, const FieldPath& at) {
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].host_port == 0) continue;
    std::string key = ports[i].protocol + ' ' + ports[i].host_ip + ' ' + std::to_string(ports[i].host_port);
    if (!scope.host_ports.insert(key).second) {
      scope.errors.duplicate(at[i] / "hostPort", std::to_string(ports[i].host_port));
    }
  }
}

void check_mount(const VolumeMount& mount, const Container& container, Scope& scope, const FieldPath& at) {
  FieldErrors& errors = scope.errors;
  if (mount.name.empty()) {
    errors.required(at / "name");
  } else if (scope.volumes.count(mount.name) == 0) {
    errors.not_found(at / "name", mount.name);
  }
  check_present(mount.mount_path, at / "mountPath", errors);
  if (!mount.sub_path.empty()) errors.check(at / "subPath", mount.sub_path, check_relative_path(mount.sub_path));
  if (!mount.sub_path_expr.empty()) {
    errors.check(at / "subPathExpr", mount.sub_path_expr, check_relative_path(mount.sub_path_expr));
  }
  if (!mount.sub_path.empty() && !mount.sub_path_expr.empty()) {
    errors.invalid(at / "subPathExpr", mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive");
  }
  errors.one_of(at / "mountPropagation", mount.mount_propagation, {"None", "HostToContainer", "Bidirectional"});
  bool privileged = container.security_context && container.security_context->privileged.value_or(false);
  if (mount.mount_propagation == "Bidirectional" && !privileged) {
    errors.forbidden(at / "mountPropagation",
                     "Bidirectional mount propagation is available only to privileged containers");
  }
  errors.one_of(at / "recursiveReadOnly", mount.recursive_read_only, {"Disabled", "IfPossible", "Enabled"});
  bool recursive = mount.recursive_read_only == "IfPossible" || mount.recursive_read_only == "Enabled";
  if (recursive && !mount.read_only) {
    errors.forbidden(at / "recursiveReadOnly", "may only be specified when readOnly is true");
  }
  if (recursive && !mount.mount_propagation.empty() && mount.mount_propagation != "None") {
    errors.forbidden(at / "recursiveReadOnly", "may only be specified when mountPropagation is None or not specified");
  }
}

void check_mounts(const Container& container, Scope& scope, const FieldPath& at) {
  NameSet paths;
  for (std::size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const VolumeMount& mount = container.volume_mounts[i];
    FieldPath here = (at / "volumeMounts")[i];
    check_mount(mount, container, scope, here);
    if (!paths.insert(mount.mount_path).second) {
      scope.errors.invalid(here / "mountPath", mount.mount_path, "must be unique");
    }
  }
  for (std::size_t i = 0; i < container.volume_devices.size(); ++i) {
    const VolumeDevice& device = container.volume_devices[i];
    FieldPath here = (at / "volumeDevices")[i];
    if (scope.volumes.count(device.name) == 0) scope.errors.not_found(here / "name", device.name);
    check_present(device.device_path, here / "devicePath", scope.errors);
    if (!paths.insert(device.device_path).second) {
      scope.errors.invalid(here / "devicePath", device.device_path, "must be unique");
    }
  }
}

void check_probes(const Container& container, Role role, Scope& scope, const FieldPath& at) {
  FieldErrors& errors = scope.errors;
  auto allowed = [&](bool there, const char* field) {
    if (!there || role == Role::regular || role == Role::sidecar) return there;
    errors.forbidden(at / field, role == Role::init ? "may not be set for init containers without restartPolicy=Always"
                                                    : "not allowed for ephemeral containers");
    return false;
  };
  auto check = [&](const std::optional<Probe>& probe, ProbeKind kind, const char* field) {
    if (allowed(probe.has_value(), field)) check_probe(*probe, kind, at / field, errors);
  };
  check(container.liveness_probe, ProbeKind::liveness, "livenessProbe");
  check(container.readiness_probe, ProbeKind::readiness, "readinessProbe");
  check(container.startup_probe, ProbeKind::startup, "startupProbe");
  if (allowed(container.lifecycle.has_value(), "lifecycle")) {
    check_lifecycle(*container.lifecycle, scope.spec.termination_grace_period_seconds.value_or(0), at / "lifecycle",
                    errors);
  }
}

void check_container(const Container& container, Role role, Scope& scope, const FieldPath& at) {
  FieldErrors& errors = scope.errors;
  check_required(container.name, check_dns_label, at / "name", errors);
  if (!container.name.empty() && !scope.names.insert(container.name).second) {
    errors.duplicate(at / "name", container.name);
  }
  if (container.image.empty()) {
    errors.required(at / "image");
  } else if (trim(container.image) != container.image) {
    errors.invalid(at / "image", container.image, "must not have leading or trailing whitespace");
  }
  errors.one_of(at / "imagePullPolicy", container.image_pull_policy, {"Always", "IfNotPresent", "Never"}, true);
  errors.one_of(at / "restartPolicy", container.restart_policy, {"Always", "OnFailure", "Never"});
  errors.one_of(at / "terminationMessagePolicy", container.termination_message_policy,
                {"File", "FallbackToLogsOnError"}, true);
  NameSet port_names;
  for (std::size_t i = 0; i < container.ports.size(); ++i) {
    check_port(container.ports[i], scope, port_names, (at / "ports")[i]);
  }
  if (role == Role::regular || role == Role::sidecar) check_host_ports(container.ports, scope, at / "ports");
  check_env(container, at, errors);
  check_mounts(container, scope, at);
  check_probes(container, role, scope, at);
  check_resources(container.resources, at / "resources", errors);
  if (container.security_context) check_security(*container.security_context, at / "securityContext", errors);
}

}  // namespace

void check_containers(const PodSpec& spec, const NameSet& volumes, const FieldPath& at, FieldErrors& errors) {
  Scope scope{spec, volumes, errors};
  if (spec.containers.empty()) errors.required(at / "containers");
  for (std::size_t i = 0; i < spec.init_containers.size(); ++i) {
    const Container& container = spec.init_containers[i];
    Role role = container.restart_policy == "Always" ? Role::sidecar : Role::init;
    check_container(container, role, scope, (at / "initContainers")[i]);
  }
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    check_container(spec.containers[i], Role::regular, scope, (at / "containers")[i]);
  }
  for (std::size_t i = 0; i < spec.ephemeral_containers.size(); ++i) {
    check_container(spec.ephemeral_containers[i], Role::ephemeral, scope, (at / "ephemeralContainers")[i]);
  }
}

}  // namespace keelson::kube
