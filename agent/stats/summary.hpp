// The document of /stats/summary. Pure. After upstream's k8s.io/kubelet pkg/apis/stats/v1alpha1/types.go.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "agent/stats/sample.hpp"

namespace keelson::stats {

// What is not known is left out. `cpu_and_memory_only`: as ?only_cpu_and_memory=true.
[[nodiscard]] nlohmann::json make_summary(const Sample& sample, bool cpu_and_memory_only = false);

}  // namespace keelson::stats
