// EndpointSlices of Services, from the pods of this node and their statuses, as the EndpointSlice controller makes
// them. Pure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/standalone/workloads.hpp"
#include "kube/endpoint_slice.hpp"

namespace keelson::agent {

// One slice per Service, address family and set of port numbers, in a stable order and with stable names. Services
// without a selector have the slices of the folder (`given`), which are passed through.
[[nodiscard]] std::vector<std::shared_ptr<const kube::EndpointSlice>> make_slices(
    const std::vector<std::shared_ptr<const kube::Service>>& services, const std::vector<ExistingPod>& pods,
    const kube::ObjectMap<kube::EndpointSlice>& given, const std::string& node_name);

}  // namespace keelson::agent
