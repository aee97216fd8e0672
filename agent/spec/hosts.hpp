// A pod's host name and its /etc/hosts. Follows kubernetes pkg/kubelet/kubelet_pods.go and util/util.go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/spec/node_facts.hpp"
#include "base/result.hpp"
#include "kube/object_set.hpp"
#include "kube/pod.hpp"

namespace keelson::spec {

struct PodHostname {
  std::string name;    // at most 63 characters
  std::string domain;  // "SUBDOMAIN.NAMESPACE.svc.CLUSTERDOMAIN", empty without spec.subdomain
};

// spec.hostnameOverride, else spec.hostname, else the pod's name. Errc::invalid_argument for names that are not DNS
// labels.
Result<PodHostname> pod_hostname(const kube::Pod& pod, std::string_view cluster_domain);

// What uname(2) shows in the pod: the name, or with setHostnameAsFQDN name.domain, which has at most 64 characters.
Result<std::string> kernel_hostname(const PodHostname& hostname, const kube::Pod& pod);

// The file's content, without Service names. Pods on the host's network get the node's own file below a header; the
// others the fixed lines and one line per pod IP. Host aliases follow in both cases.
[[nodiscard]] std::string hosts_file(const kube::Pod& pod, const PodHostname& hostname,
                                     const std::vector<std::string>& pod_ips, std::string_view node_etc_hosts);

// For nodes without a cluster DNS: one line per cluster IP, with "NAME.NS.svc.DOMAIN", "NAME.NS.svc", "NAME.NS" and,
// for Services of the pod's namespace, "NAME". Headless Services have none. To be put after hosts_file(); empty where
// there are no Services.
[[nodiscard]] std::string service_hosts(const kube::Pod& pod, const kube::ObjectSet& objects,
                                        std::string_view cluster_domain);

// Whether the managed file is mounted into the container: it has no mount of its own at /etc/hosts, and the pod has an
// address or is on the host's network.
[[nodiscard]] bool mounts_hosts_file(const kube::Pod& pod, const kube::Container& container,
                                     const std::vector<std::string>& pod_ips);

}  // namespace keelson::spec
