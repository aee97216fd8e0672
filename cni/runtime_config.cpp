#include "cni/runtime_config.hpp"

#include "base/strings.hpp"
#include "cni/json_util.hpp"

namespace keelson::cni {
namespace {

Json render_ports(const std::vector<PortMapping>& mappings) {
  Json out = Json::array();
  for (const auto& port : mappings) {
    if (port.host_port <= 0) continue;
    out.push_back({{"hostPort", port.host_port},
                   {"containerPort", port.container_port},
                   {"protocol", to_lower(port.protocol)},
                   {"hostIP", port.host_ip}});
  }
  return out;
}

Json render_bandwidth(const Bandwidth& b) {
  return {{"ingressRate", b.ingress_rate},
          {"ingressBurst", b.ingress_burst},
          {"egressRate", b.egress_rate},
          {"egressBurst", b.egress_burst}};
}

Json render_range(const IpRange& range) {
  Json out = {{"subnet", range.subnet}};
  if (!range.range_start.empty()) out["rangeStart"] = range.range_start;
  if (!range.range_end.empty()) out["rangeEnd"] = range.range_end;
  if (!range.gateway.empty()) out["gateway"] = range.gateway;
  return out;
}

Json render_ranges(const std::vector<std::vector<IpRange>>& sets) {
  Json out = Json::array();
  for (const auto& set : sets) {
    Json ranges = Json::array();
    for (const auto& range : set) ranges.push_back(render_range(range));
    out.push_back(std::move(ranges));
  }
  return out;
}

Result<Json> object_or_empty(std::string_view text, std::string_view what) {
  if (trim(text).empty()) return json_ok(Json::object());
  return with_context(parse_json_object(text), what);
}

}  // namespace

std::string render_runtime_config(const RuntimeConfig& config) {
  Json out = Json::object();
  if (Json ports = render_ports(config.port_mappings); !ports.empty()) out["portMappings"] = std::move(ports);
  if (config.bandwidth) out["bandwidth"] = render_bandwidth(*config.bandwidth);
  if (!config.ip_ranges.empty()) out["ipRanges"] = render_ranges(config.ip_ranges);
  if (config.dns) {
    out["dns"] = {
        {"servers", config.dns->nameservers}, {"searches", config.dns->search}, {"options", config.dns->options}};
  }
  if (!config.ips.empty()) out["ips"] = config.ips;
  if (!config.mac.empty()) out["mac"] = config.mac;
  if (!config.infiniband_guid.empty()) out["infinibandGUID"] = config.infiniband_guid;
  if (!config.device_id.empty()) out["deviceID"] = config.device_id;
  if (!config.aliases.empty()) out["aliases"] = config.aliases;
  if (!config.cgroup_path.empty()) out["cgroupPath"] = config.cgroup_path;
  if (!config.pod_annotations.empty()) out["io.kubernetes.cri.pod-annotations"] = config.pod_annotations;
  return dump(out);
}

Result<std::string> merge_runtime_config(std::string_view base, std::string_view extra) {
  TRY(Json merged, object_or_empty(base, "runtimeConfig"));
  TRY(Json more, object_or_empty(extra, "additional runtimeConfig"));
  merged.update(more);
  return merged.empty() ? std::string() : dump(merged);
}

std::string select_for_plugin(const PluginConfig& plugin, std::string_view runtime_config) {
  auto all = object_or_empty(runtime_config, "runtimeConfig");
  if (!all) return {};
  Json out = Json::object();
  for (const auto& capability : plugin.capabilities) {
    if (const Json* value = member(*all, capability.c_str())) out[capability] = *value;
  }
  return out.empty() ? std::string() : dump(out);
}

}  // namespace keelson::cni
