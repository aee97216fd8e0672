#include "agent/spec/sandbox_config.hpp"

#include <algorithm>
#include <set>

#include "agent/spec/cgroup_name.hpp"
#include "agent/spec/hosts.hpp"
#include "agent/spec/linux_resources.hpp"
#include "agent/spec/names.hpp"
#include "cri/api.pb.h"

namespace keelson::spec {
namespace {

v1::Protocol protocol_of(const std::string& name) {
  if (name == "UDP") return v1::UDP;
  if (name == "SCTP") return v1::SCTP;
  return v1::TCP;
}

// All ports go along, not only those with a hostPort: the CNI plugin looks at hostPort itself.
void add_ports(const kube::Container& container, v1::PodSandboxConfig& out) {
  std::set<std::string> names;  // a name that is used twice counts once
  for (const auto& port : container.ports) {
    auto name = port.name;
    if (name.empty()) {
      const char* family = port.host_ip.empty() ? "any" : port.host_ip.find(':') == std::string::npos ? "v4" : "v6";
      name = std::string(family) + '-' + port.protocol + '-' + port.host_ip + ':' +
             std::to_string(port.container_port) + ':' + std::to_string(port.host_port);
    }
    if (!names.insert(std::move(name)).second) continue;
    auto& mapping = *out.add_port_mappings();
    mapping.set_protocol(protocol_of(port.protocol));
    mapping.set_container_port(port.container_port);
    mapping.set_host_port(port.host_port);
    mapping.set_host_ip(port.host_ip);
  }
}

void set_dns(const Dns& dns, v1::DNSConfig& out) {
  for (const auto& server : dns.servers) out.add_servers(server);
  for (const auto& search : dns.searches) out.add_searches(search);
  for (const auto& option : dns.options) out.add_options(option);
}

Result<void> set_groups(const kube::PodSecurityContext& context, const PodSecurityFacts& facts,
                        v1::LinuxSandboxSecurityContext& out) {
  if (context.fs_group) out.add_supplemental_groups(*context.fs_group);
  for (const auto group : facts.extra_groups) out.add_supplemental_groups(group);
  for (const auto group : context.supplemental_groups) out.add_supplemental_groups(group);
  if (context.supplemental_groups_policy.empty()) return {};
  v1::SupplementalGroupsPolicy policy{};
  if (!v1::SupplementalGroupsPolicy_Parse(context.supplemental_groups_policy, &policy)) {
    return make_error(Errc::invalid_argument,
                      "unsupported supplementalGroupsPolicy: " + context.supplemental_groups_policy);
  }
  out.set_supplemental_groups_policy(policy);
  return {};
}

Result<void> set_security(const SandboxInput& input, v1::LinuxSandboxSecurityContext& out) {
  out.set_privileged(has_privileged_container(input.pod));
  // The pause process needs no more than the runtime's default profile, whatever the containers ask for.
  out.mutable_seccomp()->set_profile_type(v1::SecurityProfile::RuntimeDefault);
  TRY(*out.mutable_namespace_options(), pod_namespaces(input.pod, input.security));
  if (!input.pod.spec.security_context) return {};
  const auto& context = *input.pod.spec.security_context;
  if (context.run_as_user) out.mutable_run_as_user()->set_value(*context.run_as_user);
  if (context.run_as_group) out.mutable_run_as_group()->set_value(*context.run_as_group);
  if (context.se_linux_options) {
    out.mutable_selinux_options()->set_user(context.se_linux_options->user);
    out.mutable_selinux_options()->set_role(context.se_linux_options->role);
    out.mutable_selinux_options()->set_type(context.se_linux_options->type);
    out.mutable_selinux_options()->set_level(context.se_linux_options->level);
  }
  return set_groups(context, input.security, out);
}

// "net/ipv4/ip_forward" is "net.ipv4.ip_forward" to runtimes; where the first separator is a dot, the later slashes
// stand for dots inside names and trade places with them (as sysctl(8) does).
std::string normal_sysctl(std::string name) {
  const auto first = name.find_first_of("./");
  if (first == std::string::npos || name[first] == '.') return name;
  for (char& c : name) c = c == '/' ? '.' : c == '.' ? '/' : c;
  return name;
}

}  // namespace

Result<v1::PodSandboxConfig> make_sandbox_config(const SandboxInput& input) {
  const auto& pod = input.pod;
  v1::PodSandboxConfig out;
  auto& metadata = *out.mutable_metadata();
  metadata.set_name(pod.metadata.name);
  metadata.set_namespace_(pod.metadata.ns);
  metadata.set_uid(pod.metadata.uid);
  metadata.set_attempt(input.attempt);
  if (!pod.spec.host_network) {
    TRY(const auto hostname, pod_hostname(pod, input.node.cluster_domain));
    TRY(auto kernel_name, kernel_hostname(hostname, pod));
    out.set_hostname(std::move(kernel_name));
  }
  out.set_log_directory(pod_log_dir(input.node, pod).string());
  set_dns(input.dns, *out.mutable_dns_config());
  for (const auto& container : pod.spec.containers) add_ports(container, out);
  for (const auto& [key, value] : sandbox_labels(pod)) (*out.mutable_labels())[key] = value;
  for (const auto& [key, value] : pod.metadata.annotations) (*out.mutable_annotations())[key] = value;

  auto& os = *out.mutable_linux();
  os.set_cgroup_parent(cgroup_parent(pod, input.node));
  CHECK_OK(set_security(input, *os.mutable_security_context()));
  if (pod.spec.security_context) {
    for (const auto& sysctl : pod.spec.security_context->sysctls) {
      (*os.mutable_sysctls())[normal_sysctl(sysctl.name)] = sysctl.value;
    }
  }
  *os.mutable_resources() = sandbox_resources(pod, input.node);
  *os.mutable_overhead() = overhead_resources(pod, input.node);
  return out;
}

}  // namespace keelson::spec
