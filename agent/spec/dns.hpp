// A pod's resolver configuration by dnsPolicy and dnsConfig. Follows kubernetes pkg/kubelet/network/dns/dns.go.
#pragma once

#include <string>
#include <vector>

#include "agent/spec/node_facts.hpp"
#include "kube/pod.hpp"

namespace keelson::spec {

struct DnsWarning {
  std::string reason;   // DNSConfigForming, MissingClusterDNS
  std::string message;  // of the event on the pod
};

struct Dns {
  std::vector<std::string> servers;
  std::vector<std::string> searches;
  std::vector<std::string> options;
  std::vector<DnsWarning> warnings;
};

inline constexpr std::size_t kMaxNameservers = 3;
inline constexpr std::size_t kMaxSearches = 32;
inline constexpr std::size_t kMaxSearchChars = 2048;
inline constexpr std::size_t kMaxSearchLength = 253;

// Never fails: what is over a limit is cut, with a warning. An unknown dnsPolicy acts as ClusterFirst.
[[nodiscard]] Dns pod_dns(const kube::Pod& pod, const NodeFacts& node);

}  // namespace keelson::spec
