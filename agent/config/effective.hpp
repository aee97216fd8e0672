// The configuration in force, as the kubelet's /configz shows it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/config/options.hpp"

namespace keelson::agent {

// A KubeletConfiguration (kubelet.config.k8s.io/v1beta1) of every field that is acted on here, and of those whose value
// is fixed. `options` with what was found out since: the cgroup driver, for one. What is empty is left out, as upstream
// does.
[[nodiscard]] nlohmann::json effective_kubelet_config(const Options& options);

// Likewise a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1), for the proxy's /configz.
[[nodiscard]] nlohmann::json effective_proxy_config(const Options& options);

// As Go prints it: "1m0s", "100ms", "4h0m0s", "0s".
[[nodiscard]] std::string go_duration(Nanoseconds duration);

}  // namespace keelson::agent
