// The fields of one configuration kind: what each does to the options, and which are known without effect here.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "agent/config/options.hpp"

namespace keelson::agent {

using ApplyField = std::function<Result<void>(const nlohmann::json& value, Options& options)>;

struct ConfigKind {
  std::string api_group;                     // the part of apiVersion before the slash
  std::map<std::string, ApplyField> fields;  // by path, "conntrack.maxPerCore"
  std::set<std::string> without_effect;      // known to upstream; whole sub-objects by their top name
  bool written_whole = false;  // kubeadm writes every field, so that what is empty or zero was not set by anybody
};

// The fields of KubeletConfiguration (kubelet_fields.cpp).
[[nodiscard]] ConfigKind kubelet_kind();

// By kind: KubeletConfiguration, KubeProxyConfiguration, KeelsonConfiguration.
[[nodiscard]] const std::map<std::string, ConfigKind>& config_kinds();

}  // namespace keelson::agent
