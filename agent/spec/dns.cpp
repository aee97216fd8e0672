#include "agent/spec/dns.hpp"

#include <algorithm>
#include <set>

#include "agent/spec/names.hpp"
#include "base/strings.hpp"

namespace keelson::spec {
namespace {

enum class DnsType { cluster, host, none };

DnsType dns_type(const kube::Pod& pod) {
  const auto& policy = pod.spec.dns_policy;
  if (policy == "None") return DnsType::none;
  if (policy == "Default") return DnsType::host;
  if (policy == "ClusterFirst" && pod.spec.host_network) return DnsType::host;
  return DnsType::cluster;
}

void append_new(std::vector<std::string>& list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
  std::set<std::string> seen;
  std::vector<std::string> unique;
  for (auto& item : list) {
    if (seen.insert(item).second) unique.push_back(std::move(item));
  }
  list = std::move(unique);
}

Dns host_dns(const NodeFacts& node) {
  Dns dns;
  if (node.resolv_conf) {
    dns.servers = node.resolv_conf->nameservers;
    dns.searches = node.resolv_conf->searches;
    dns.options = node.resolv_conf->options;
    return dns;
  }
  // Without a resolver configuration the servers are the local machine, as resolv.conf(5) says for an empty file; an
  // empty DNSConfig would make the runtime use its own /etc/resolv.conf.
  for (const auto& ip : node.ips) {
    dns.servers.emplace_back(ip.find(':') == std::string::npos ? "127.0.0.1" : "::1");
  }
  if (dns.servers.empty()) dns.servers.emplace_back("127.0.0.1");
  dns.searches = {"."};
  return dns;
}

Dns cluster_dns(const kube::Pod& pod, const NodeFacts& node) {
  Dns dns;
  dns.servers = node.cluster_dns;
  if (!node.cluster_domain.empty()) {
    dns.searches = {pod.metadata.ns + ".svc." + node.cluster_domain, "svc." + node.cluster_domain, node.cluster_domain};
  }
  if (node.resolv_conf) append_new(dns.searches, node.resolv_conf->searches);
  dns.options = {"ndots:5"};
  return dns;
}

// Options are merged by the name before the colon; a later value takes the earlier one's place.
void merge_options(std::vector<std::string>& options, const std::vector<kube::PodDnsConfigOption>& more) {
  for (const auto& option : more) {
    const auto value = option.value.value_or("");
    const auto text = value.empty() ? option.name : option.name + ':' + value;
    const auto same = std::find_if(options.begin(), options.end(),
                                   [&](const std::string& old) { return old.substr(0, old.find(':')) == option.name; });
    if (same == options.end()) {
      options.push_back(text);
    } else {
      *same = text;
    }
  }
}

void limit_servers(Dns& dns) {
  if (dns.servers.size() <= kMaxNameservers) return;
  dns.servers.resize(kMaxNameservers);
  dns.warnings.push_back({"DNSConfigForming",
                          "Nameserver limits were exceeded, some nameservers have been omitted, the applied "
                          "nameserver line is: " +
                              join(dns.servers, " ")});
}

void limit_searches(Dns& dns) {
  auto& searches = dns.searches;
  const auto before = searches.size();
  if (searches.size() > kMaxSearches) searches.resize(kMaxSearches);
  // glibc 2.28 aborts on a longer one.
  std::erase_if(searches, [](const std::string& search) { return search.size() > kMaxSearchLength; });
  auto line = join(searches, " ");
  while (line.size() > kMaxSearchChars) {
    searches.pop_back();
    line = join(searches, " ");
  }
  if (searches.size() == before) return;
  dns.warnings.push_back({"DNSConfigForming",
                          "Search Line limits were exceeded, some search paths have been omitted, the applied search "
                          "line is: " +
                              line});
}

}  // namespace

Dns pod_dns(const kube::Pod& pod, const NodeFacts& node) {
  Dns dns;
  switch (dns_type(pod)) {
    case DnsType::none:
      break;
    case DnsType::host:
      dns = host_dns(node);
      break;
    case DnsType::cluster:
      if (!node.cluster_dns.empty()) {
        dns = cluster_dns(pod, node);
        break;
      }
      dns = host_dns(node);
      dns.warnings.push_back(
          {"MissingClusterDNS", "pod: \"" + pod_description(pod) +
                                    "\". kubelet does not have ClusterDNS IP configured and cannot create Pod using "
                                    "\"ClusterFirst\" policy. Falling back to \"Default\" policy."});
  }
  if (pod.spec.dns_config) {
    append_new(dns.servers, pod.spec.dns_config->nameservers);
    append_new(dns.searches, pod.spec.dns_config->searches);
    merge_options(dns.options, pod.spec.dns_config->options);
  }
  limit_servers(dns);
  limit_searches(dns);
  return dns;
}

}  // namespace keelson::spec
