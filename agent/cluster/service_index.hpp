// What pods' environments need of the cluster's Services, packed: 50,000 whole Services would be 60 MiB. A pod sees its
// own namespace's and default/kubernetes (kl/kubelet_pods.go getServiceEnvVarMap).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kube/service.hpp"

namespace keelson::agent {

class ServiceIndex {
 public:
  // In place of what was known under its namespace and name. A Service without a cluster IP gives no variables, and is
  // not kept.
  void set(const kube::Service& service);
  void remove(std::string_view key);  // "namespace/name"

  // The Services that a pod of the namespace sees, by name, with what service_variables() reads: name, namespace,
  // clusterIP, and name, number and protocol of each port.
  [[nodiscard]] std::vector<std::shared_ptr<const kube::Service>> visible_from(const std::string& ns) const;
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  using Packed = std::map<std::string, std::string, std::less<>>;  // by name
  std::map<std::string, Packed, std::less<>> namespaces_;
  std::size_t size_ = 0;
};

}  // namespace keelson::agent
