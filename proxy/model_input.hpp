// From API objects to the model's compact form: the filters and the per-family rules of upstream's
// pkg/proxy/serviceport.go, servicechangetracker.go and endpointslicecache.go. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/model.hpp"

namespace keelson::kube {
struct EndpointSlice;
struct Service;
}  // namespace keelson::kube

namespace keelson::proxy {

struct ServiceInput {
  std::unique_ptr<ServiceSpec> spec;          // null: no rules
  std::unique_ptr<RulelessService> ruleless;  // why not
  std::vector<std::string> problems;          // what was ignored: "Service ns/name: field: reason"
};

[[nodiscard]] ServiceInput read_service(const kube::Service& service, NamePool& names);

struct SliceInput {
  std::string service;                // "namespace/name" of the Service it belongs to
  std::optional<Slice> slice;         // nothing: not for us (FQDN, no Service label, left to another proxy)
  std::vector<std::string> problems;  // as above
};

// `node_name` tells which endpoints are local.
[[nodiscard]] SliceInput read_endpoint_slice(const kube::EndpointSlice& slice, std::string_view node_name,
                                             NamePool& names);

}  // namespace keelson::proxy
