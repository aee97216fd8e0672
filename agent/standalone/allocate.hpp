// Cluster IPs and node ports for the folder's Services, as the API server would hand them out. Pure, over a table that
// is kept on disk: a Service keeps what it has as long as it is there.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/standalone/manifests.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct ServiceAllocation {
  std::vector<std::string> cluster_ips;            // at most one per address family, in the order of the Service's
  std::map<std::string, std::int32_t> node_ports;  // by "PORT/PROTOCOL"
  bool operator==(const ServiceAllocation&) const = default;
};

using ServiceTable = std::map<std::string, ServiceAllocation>;  // by "namespace/name"

struct AllocatedServices {
  std::vector<std::shared_ptr<const kube::Service>> services;  // with clusterIP(s) and nodePorts set
  ServiceTable table;                                          // of the next call
  std::vector<SourceProblem> problems;                         // conflicts, exhausted ranges
};

// `cidr`: the ranges of cluster IPs (service_range.hpp). Errors: they cannot be read. A Service has addresses of the
// families that it asks for, or of the first range's (k8s pkg/registry/core/service/storage/alloc.go).
Result<AllocatedServices> allocate_services(const kube::ObjectMap<kube::Service>& services, const ServiceTable& table,
                                            const std::string& cidr);

[[nodiscard]] std::string encode_table(const ServiceTable& table);
Result<ServiceTable> decode_table(const std::string& text);

}  // namespace keelson::agent
