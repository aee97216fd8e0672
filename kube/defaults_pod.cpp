// Defaults of pods and their parts.
#include "kube/default_to.hpp"
#include "kube/defaults.hpp"
#include "kube/pod.hpp"

namespace keelson::kube {
namespace {

constexpr std::int32_t kFileMode = 0644;

void set_defaults(std::optional<HttpGetAction>& get) {
  if (!get) return;
  default_to(get->path, "/");
  default_to(get->scheme, "HTTP");
}

void set_defaults(std::optional<Probe>& probe) {
  if (!probe) return;
  default_to(probe->timeout_seconds, 1);
  default_to(probe->period_seconds, 10);
  default_to(probe->success_threshold, 1);
  default_to(probe->failure_threshold, 3);
  set_defaults(probe->http_get);
}

void set_defaults(std::optional<ObjectFieldSelector>& selector) {
  if (selector) default_to(selector->api_version, "v1");
}

void set_defaults(Container& container) {
  default_to(container.image_pull_policy, default_pull_policy(container.image).c_str());
  default_to(container.termination_message_path, "/dev/termination-log");
  default_to(container.termination_message_policy, "File");
  for (ContainerPort& port : container.ports) default_to(port.protocol, "TCP");
  for (EnvVar& variable : container.env) {
    if (variable.value_from) set_defaults(variable.value_from->field_ref);
  }
  set_defaults(container.liveness_probe);
  set_defaults(container.readiness_probe);
  set_defaults(container.startup_probe);
  if (!container.lifecycle) return;
  if (container.lifecycle->post_start) set_defaults(container.lifecycle->post_start->http_get);
  if (container.lifecycle->pre_stop) set_defaults(container.lifecycle->pre_stop->http_get);
}

void set_defaults(std::vector<DownwardApiFile>& files) {
  for (DownwardApiFile& file : files) set_defaults(file.field_ref);
}

void set_defaults(ProjectedVolumeSource& projected) {
  constexpr std::int64_t kTokenSeconds = 3600;
  default_to(projected.default_mode, kFileMode);
  for (VolumeProjection& source : projected.sources) {
    if (source.downward_api) set_defaults(source.downward_api->items);
    if (source.service_account_token) default_to(source.service_account_token->expiration_seconds, kTokenSeconds);
  }
}

bool has_source(const Volume& v) {
  return v.empty_dir || v.host_path || v.config_map || v.secret || v.persistent_volume_claim || v.downward_api ||
         v.projected || v.nfs || v.iscsi || v.csi || v.image || v.ephemeral || !v.other_sources.empty();
}

void set_defaults(Volume& volume) {
  if (!has_source(volume)) volume.empty_dir.emplace();
  if (volume.host_path) default_to(volume.host_path->type, "");
  if (volume.config_map) default_to(volume.config_map->default_mode, kFileMode);
  if (volume.secret) default_to(volume.secret->default_mode, kFileMode);
  if (volume.downward_api) {
    default_to(volume.downward_api->default_mode, kFileMode);
    set_defaults(volume.downward_api->items);
  }
  if (volume.projected) set_defaults(*volume.projected);
  if (volume.iscsi) default_to(volume.iscsi->iscsi_interface, "default");
  if (volume.image) default_to(volume.image->pull_policy, default_pull_policy(volume.image->reference).c_str());
  if (volume.ephemeral && volume.ephemeral->volume_claim_template) {
    set_defaults(volume.ephemeral->volume_claim_template->spec);
  }
}

// On the host's network a port is the host's.
void default_host_ports(std::vector<Container>& containers) {
  for (Container& container : containers) {
    for (ContainerPort& port : container.ports) default_to(port.host_port, port.container_port);
  }
}

void default_requests(ResourceRequirements& resources) {
  resources.requests.insert(resources.limits.begin(), resources.limits.end());
}

// A pod's own request is what all its containers ask for together, where each asks; else its limit.
void default_pod_requests(PodSpec& spec) {
  if (!spec.resources || spec.resources->limits.empty()) return;
  for (const auto& [name, limit] : spec.resources->limits) {
    Quantity sum;
    bool all = !spec.containers.empty();
    for (const Container& container : spec.containers) {
      auto request = container.resources.requests.find(name);
      all = all && request != container.resources.requests.end();
      if (all) sum += request->second;
    }
    spec.resources->requests.emplace(name, all ? sum : limit);
  }
}

}  // namespace

std::string default_pull_policy(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return "IfNotPresent";
  std::size_t slash = image.rfind('/');
  std::size_t colon = image.find(':', slash == std::string_view::npos ? 0 : slash);
  bool latest = colon == std::string_view::npos || image.substr(colon + 1) == "latest";
  return latest ? "Always" : "IfNotPresent";
}

void set_defaults(PodSpec& spec) {
  constexpr std::int64_t kGraceSeconds = 30;
  default_to(spec.restart_policy, "Always");
  default_to(spec.dns_policy, "ClusterFirst");
  default_to(spec.scheduler_name, "default-scheduler");
  default_to(spec.termination_grace_period_seconds, kGraceSeconds);
  if (!spec.security_context) spec.security_context.emplace();
  for (Volume& volume : spec.volumes) set_defaults(volume);
  for (Container& container : spec.init_containers) set_defaults(container);
  for (Container& container : spec.containers) set_defaults(container);
  for (EphemeralContainer& container : spec.ephemeral_containers) set_defaults(static_cast<Container&>(container));
  if (!spec.host_network) return;
  default_host_ports(spec.init_containers);
  default_host_ports(spec.containers);
}

void set_defaults(Pod& object) {
  set_defaults(object.spec);
  default_to(object.spec.enable_service_links, true);
  for (Container& container : object.spec.init_containers) default_requests(container.resources);
  for (Container& container : object.spec.containers) default_requests(container.resources);
  default_pod_requests(object.spec);
  default_to(object.status.phase, "Pending");
}

}  // namespace keelson::kube
