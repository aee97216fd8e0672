#include "agent/spec/hosts.hpp"

#include <algorithm>
#include <map>

#include "base/strings.hpp"
#include "kube/names.hpp"

namespace keelson::spec {
namespace {

constexpr std::size_t kMaxHostname = 63;  // a DNS label; the kernel's field holds 64 bytes
constexpr std::size_t kMaxFqdn = 64;

Error bad_name(std::string_view field, std::string_view value, std::string_view kind, std::string_view why) {
  std::string message = "pod ";
  message.append(field).append(" \"").append(value).append("\" is not a valid DNS ").append(kind);
  message.append(": ").append(why);
  return make_error(Errc::invalid_argument, std::move(message));
}

Result<std::string> cut_hostname(std::string hostname, const std::string& pod_name) {
  if (hostname.size() <= kMaxHostname) return hostname;
  auto cut = hostname.substr(0, kMaxHostname);
  const auto end = cut.find_last_not_of("-.");
  if (end == std::string::npos) {
    return make_error(Errc::invalid_argument, "hostname for pod \"" + pod_name + "\" was invalid: \"" + hostname + '"');
  }
  cut.resize(end + 1);
  return cut;
}

std::string host_alias_lines(const std::vector<kube::HostAlias>& aliases) {
  if (aliases.empty()) return {};
  std::string out = "\n# Entries added by HostAliases.\n";
  for (const auto& alias : aliases) out += alias.ip + '\t' + join(alias.hostnames, "\t") + '\n';
  return out;
}

bool has_cluster_ip(const kube::Service& service) {
  return !service.spec.cluster_ip.empty() && service.spec.cluster_ip != "None" && service.spec.type != "ExternalName";
}

}  // namespace

Result<PodHostname> pod_hostname(const kube::Pod& pod, std::string_view cluster_domain) {
  const auto& spec = pod.spec;
  if (spec.hostname_override) {
    const auto& wanted = *spec.hostname_override;
    if (const auto why = kube::check_dns_subdomain(wanted); !why.empty()) {
      return bad_name("HostnameOverride", wanted, "subdomain", why);
    }
    TRY(auto name, cut_hostname(wanted, pod.metadata.name));
    return PodHostname{std::move(name), {}};
  }
  if (!spec.hostname.empty()) {
    if (const auto why = kube::check_dns_label(spec.hostname); !why.empty()) {
      return bad_name("Hostname", spec.hostname, "label", why);
    }
  }
  TRY(auto name, cut_hostname(spec.hostname.empty() ? pod.metadata.name : spec.hostname, pod.metadata.name));
  PodHostname out{std::move(name), {}};
  if (!spec.subdomain.empty()) {
    if (const auto why = kube::check_dns_label(spec.subdomain); !why.empty()) {
      return bad_name("Subdomain", spec.subdomain, "label", why);
    }
    out.domain = spec.subdomain + '.' + pod.metadata.ns + ".svc." + std::string(cluster_domain);
  }
  return out;
}

Result<std::string> kernel_hostname(const PodHostname& hostname, const kube::Pod& pod) {
  if (hostname.domain.empty() || !pod.spec.set_hostname_as_fqdn.value_or(false)) return hostname.name;
  auto fqdn = hostname.name + '.' + hostname.domain;
  if (fqdn.size() <= kMaxFqdn) return fqdn;
  return make_error(Errc::invalid_argument, "failed to construct FQDN from pod hostname and cluster domain, FQDN " +
                                                fqdn + " is too long (" + std::to_string(kMaxFqdn) +
                                                " characters is the max, " + std::to_string(fqdn.size()) +
                                                " characters requested)");
}

std::string hosts_file(const kube::Pod& pod, const PodHostname& hostname, const std::vector<std::string>& pod_ips,
                       std::string_view node_etc_hosts) {
  std::string out;
  if (pod.spec.host_network) {
    out = "# Kubernetes-managed hosts file (host network).\n";
    out += node_etc_hosts;
    return out + host_alias_lines(pod.spec.host_aliases);
  }
  out =
      "# Kubernetes-managed hosts file.\n"
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::0\tip6-localnet\n"
      "fe00::0\tip6-mcastprefix\n"
      "fe00::1\tip6-allnodes\n"
      "fe00::2\tip6-allrouters\n";
  for (const auto& ip : pod_ips) {
    out += ip + '\t';
    if (!hostname.domain.empty()) out += hostname.name + '.' + hostname.domain + '\t';
    out += hostname.name + '\n';
  }
  return out + host_alias_lines(pod.spec.host_aliases);
}

std::string service_hosts(const kube::Pod& pod, const kube::ObjectSet& objects, std::string_view cluster_domain) {
  std::map<std::string, const kube::Service*> sorted;  // the same Services give the same bytes
  for (const auto& service : objects.services) {
    if (has_cluster_ip(*service)) sorted[kube::object_key(service->metadata)] = service.get();
  }
  if (sorted.empty()) return {};
  std::string out = "\n# Services of this node (no cluster DNS is configured).\n";
  for (const auto& [key, service] : sorted) {
    const auto& meta = service->metadata;
    const auto in_namespace = meta.name + '.' + meta.ns;
    std::string names;
    if (!cluster_domain.empty()) names += in_namespace + ".svc." + std::string(cluster_domain) + '\t';
    names += in_namespace + ".svc\t" + in_namespace;
    if (meta.ns == pod.metadata.ns) names += '\t' + meta.name;
    auto ips = service->spec.cluster_ips;
    if (ips.empty()) ips.push_back(service->spec.cluster_ip);
    for (const auto& ip : ips) out += ip + '\t' + names + '\n';
  }
  return out;
}

bool mounts_hosts_file(const kube::Pod& pod, const kube::Container& container,
                       const std::vector<std::string>& pod_ips) {
  if (pod_ips.empty() && !pod.spec.host_network) return false;
  return std::none_of(container.volume_mounts.begin(), container.volume_mounts.end(),
                      [](const kube::VolumeMount& mount) { return mount.mount_path == "/etc/hosts"; });
}

}  // namespace keelson::spec
