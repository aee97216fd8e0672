// The files of --config: any number of documents of kind KubeletConfiguration (kubelet.config.k8s.io/v1beta1),
// KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1) and KeelsonConfiguration (keelson.io/v1alpha1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/config/options.hpp"

namespace keelson::agent {

// Applies the documents of `text` to `options`. Warnings, one line each, name file, kind and path: fields that no such
// kind has ("unknown field"), and fields that upstream has but nothing here acts on ("has no effect"). Errors: a broken
// document, an unknown kind, a value of the wrong type or out of bounds.
Result<void> apply_config(std::string_view text, std::string_view file, Options& options,
                          std::vector<std::string>& warnings);

// The same from a file.
Result<void> apply_config_file(const std::filesystem::path& path, Options& options, std::vector<std::string>& warnings);

}  // namespace keelson::agent
