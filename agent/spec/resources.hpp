// Sums of a pod's requests and limits. Follows k8s.io/component-helpers/resource: init containers run one after the
// other, sidecars beside everything that starts after them, pod-level resources replace the sums.
#pragma once

#include <cstdint>
#include <string_view>

#include "kube/pod.hpp"

namespace keelson::spec {

// An init container with restartPolicy Always.
[[nodiscard]] bool is_sidecar(const kube::Container& container);

// The amount of `name`, zero where the list has none.
[[nodiscard]] kube::Quantity amount_of(const kube::ResourceList& list, std::string_view name);
[[nodiscard]] std::int64_t cpu_millis(const kube::ResourceList& list);
[[nodiscard]] std::int64_t memory_bytes(const kube::ResourceList& list);

// Over all containers, without overhead and pod-level resources.
[[nodiscard]] kube::ResourceList container_requests(const kube::Pod& pod);

enum class Overhead { include, exclude };

// What the pod needs as a whole. Overhead is added to every request, but only to limits that exist.
[[nodiscard]] kube::ResourceList pod_requests(const kube::Pod& pod, Overhead overhead = Overhead::include);
[[nodiscard]] kube::ResourceList pod_limits(const kube::Pod& pod, Overhead overhead = Overhead::include);

}  // namespace keelson::spec
