// Dynamic settings that a runtime gives plugins under "runtimeConfig", each only to plugins that declare the
// capability. CNI CONVENTIONS.md "Dynamic Plugin specific fields".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cni/config.hpp"
#include "cni/result.hpp"

namespace keelson::cni {

struct PortMapping {
  int host_port = 0;
  int container_port = 0;
  std::string protocol = "tcp";  // written in lower case
  std::string host_ip;
};

struct Bandwidth {  // bits a second, bits
  std::uint64_t ingress_rate = 0, ingress_burst = 0, egress_rate = 0, egress_burst = 0;
};

struct IpRange {
  std::string subnet, range_start, range_end, gateway;
};

struct RuntimeConfig {
  std::vector<PortMapping> port_mappings;  // those with a host_port <= 0 are left out
  std::optional<Bandwidth> bandwidth;
  std::vector<std::vector<IpRange>> ip_ranges;
  std::optional<Dns> dns;  // servers, searches, options; the domain has no place here
  std::vector<std::string> ips;
  std::string mac;
  std::string infiniband_guid;
  std::string device_id;
  std::vector<std::string> aliases;
  std::string cgroup_path;
  std::map<std::string, std::string> pod_annotations;  // io.kubernetes.cri.pod-annotations
};

// The JSON object {capability: value}, holding only what is set; "{}" when nothing is.
[[nodiscard]] std::string render_runtime_config(const RuntimeConfig& config);

// `base` with the members of `extra` put over it. Both are JSON objects or empty; else an error naming which.
Result<std::string> merge_runtime_config(std::string_view base, std::string_view extra);

// What goes to one plugin: the members of `runtime_config` whose capability it declares, as a JSON object; empty when
// there is none.
[[nodiscard]] std::string select_for_plugin(const PluginConfig& plugin, std::string_view runtime_config);

}  // namespace keelson::cni
