// The model back as API objects, for people to look at (`keelson get services`): nobody keeps the objects themselves.
// They hold what decides rules and nothing else; a Service's type is the least that its fields ask for. Pure.
#pragma once

#include <memory>
#include <vector>

#include "proxy/model.hpp"

namespace keelson::kube {
struct EndpointSlice;
struct Service;
}  // namespace keelson::kube

namespace keelson::proxy {

// All Services, by namespace and name, those without rules among them.
[[nodiscard]] std::vector<std::shared_ptr<const kube::Service>> describe_services(const Model& model);
// The slices that name a Service, by namespace and name. nodeName is known of endpoints on `node_name` only.
[[nodiscard]] std::vector<std::shared_ptr<const kube::EndpointSlice>> describe_slices(const Model& model,
                                                                                      std::string_view node_name);

}  // namespace keelson::proxy
