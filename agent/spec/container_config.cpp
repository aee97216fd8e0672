#include "agent/spec/container_config.hpp"

#include "agent/spec/linux_resources.hpp"
#include "agent/spec/names.hpp"
#include "cri/api.pb.h"

namespace keelson::spec {
namespace {

v1::MountPropagation to_cri(Propagation propagation) {
  switch (propagation) {
    case Propagation::none:
      return v1::PROPAGATION_PRIVATE;
    case Propagation::host_to_container:
      return v1::PROPAGATION_HOST_TO_CONTAINER;
    case Propagation::bidirectional:
      return v1::PROPAGATION_BIDIRECTIONAL;
  }
  return v1::PROPAGATION_PRIVATE;
}

// Container paths in manifests may lack the leading slash.
std::string absolute(const std::string& path) { return path.starts_with('/') ? path : '/' + path; }

void add_mount(const Mount& mount, v1::ContainerConfig& out) {
  auto& to = *out.add_mounts();
  to.set_container_path(absolute(mount.container_path));
  to.set_readonly(mount.read_only);
  to.set_recursive_read_only(mount.recursive_read_only);
  to.set_propagation(to_cri(mount.propagation));
  if (mount.image.empty()) {
    to.set_host_path(mount.host_path);
    return;
  }
  to.mutable_image()->set_image(mount.image);
  to.set_image_sub_path(mount.image_sub_path);
}

void add_mounts(const ContainerInput& input, v1::ContainerConfig& out) {
  bool own_hosts = false;
  for (const auto& mount : input.mounts) {
    own_hosts = own_hosts || mount.container_path == "/etc/hosts";
    add_mount(mount, out);
  }
  if (!input.etc_hosts.empty() && !own_hosts) {
    Mount hosts;
    hosts.host_path = input.etc_hosts;
    hosts.container_path = "/etc/hosts";
    add_mount(hosts, out);
  }
  if (!input.termination_log.empty() && !input.container.termination_message_path.empty()) {
    Mount log;
    log.host_path = input.termination_log;
    log.container_path = input.container.termination_message_path;
    add_mount(log, out);
  }
}

// In a user namespace the files behind a mount keep their owners only where the mount is mapped like the pod.
void map_mounts(const v1::UserNamespace& users, v1::ContainerConfig& out) {
  for (auto& mount : *out.mutable_mounts()) {
    *mount.mutable_uidmappings() = users.uids();
    *mount.mutable_gidmappings() = users.gids();
  }
}

void add_process(const ContainerInput& input, v1::ContainerConfig& out) {
  const auto& container = input.container;
  for (auto& word : expand_all(container.command, input.environment)) out.add_command(std::move(word));
  for (auto& word : expand_all(container.args, input.environment)) out.add_args(std::move(word));
  out.set_working_dir(container.working_dir);
  for (const auto& [name, value] : input.environment) {
    auto& variable = *out.add_envs();
    variable.set_key(name);
    variable.set_value(value);
  }
  out.set_stdin(container.stdin_open);
  out.set_stdin_once(container.stdin_once);
  out.set_tty(container.tty);
}

// "SIGUSR1" is STOP_SIGUSR1 in the CRI.
Result<void> set_stop_signal(const kube::Container& container, v1::ContainerConfig& out) {
  if (!container.lifecycle || container.lifecycle->stop_signal.empty()) return {};
  v1::Signal signal{};
  if (!v1::Signal_Parse("STOP_" + container.lifecycle->stop_signal, &signal)) {
    return make_error(Errc::invalid_argument, "unknown stop signal \"" + container.lifecycle->stop_signal + '"',
                      "CreateContainerConfigError");
  }
  out.set_stop_signal(signal);
  return {};
}

void add_names(const ContainerInput& input, v1::ContainerConfig& out) {
  const auto& container = input.container;
  out.mutable_metadata()->set_name(container.name);
  out.mutable_metadata()->set_attempt(input.restart_count);
  out.mutable_image()->set_image(input.image_ref);
  out.mutable_image()->set_user_specified_image(container.image);
  for (const auto& [key, value] : container_labels(input.pod, container)) (*out.mutable_labels())[key] = value;
  for (const auto& [key, value] : container_annotations(input.pod, container, input.restart_count)) {
    (*out.mutable_annotations())[key] = value;
  }
  out.set_log_path(container_log_path(container.name, input.restart_count));
}

}  // namespace

Result<Propagation> parse_propagation(std::string_view text) {
  if (text.empty() || text == "None") return Propagation::none;
  if (text == "HostToContainer") return Propagation::host_to_container;
  if (text == "Bidirectional") return Propagation::bidirectional;
  return make_error(Errc::invalid_argument, "invalid MountPropagation mode: \"" + std::string(text) + '"',
                    "CreateContainerConfigError");
}

Result<v1::ContainerConfig> make_container_config(const ContainerInput& input) {
  CHECK_OK(verify_non_root(input.pod, input.container, input.image_user));
  v1::ContainerConfig out;
  add_names(input, out);
  add_process(input, out);
  CHECK_OK(set_stop_signal(input.container, out));
  add_mounts(input, out);
  for (const auto& device : input.devices) {
    auto& to = *out.add_devices();
    to.set_host_path(device.host_path);
    to.set_container_path(device.container_path);
    to.set_permissions(device.permissions);
  }
  auto& os = *out.mutable_linux();
  *os.mutable_resources() = container_resources(input.pod, input.container, input.node);
  auto security = make_security_context(input.pod, input.container, input.image_user, input.node, input.security,
                                        input.target_container_id);
  if (!security) {
    auto error = std::move(security).error();
    return error.reason.empty() ? error.with_reason("CreateContainerConfigError") : error;
  }
  *os.mutable_security_context() = std::move(*security);
  const auto& namespaces = os.security_context().namespace_options();
  if (namespaces.has_userns_options()) map_mounts(namespaces.userns_options(), out);
  return out;
}

}  // namespace keelson::spec
