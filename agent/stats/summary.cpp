#include "agent/stats/summary.hpp"

#include <nlohmann/json.hpp>

#include "kube/time.hpp"

namespace keelson::stats {
namespace {

using nlohmann::json;

std::string time_text(SystemTime time) { return kube::format_time(time); }

template <class T>
void set(json& to, const char* key, const std::optional<T>& value) {
  if (value) to[key] = *value;
}

json pressure_line(const PressureLine& line) {
  return {{"total", line.total_us}, {"avg10", line.avg10}, {"avg60", line.avg60}, {"avg300", line.avg300}};
}

void set_pressure(json& to, const std::optional<Pressure>& pressure) {
  if (pressure) to["psi"] = {{"full", pressure_line(pressure->full)}, {"some", pressure_line(pressure->some)}};
}

json memory_json(const CgroupUsage& usage, std::optional<std::uint64_t> capacity) {
  const auto& memory = *usage.memory;
  json out = {{"time", time_text(usage.time)},         {"usageBytes", memory.usage},
              {"workingSetBytes", memory.working_set}, {"rssBytes", memory.rss},
              {"pageFaults", memory.page_faults},      {"majorPageFaults", memory.major_page_faults}};
  const auto limit = capacity ? capacity : memory.limit;
  if (limit) out["availableBytes"] = *limit > memory.working_set ? *limit - memory.working_set : 0;
  set_pressure(out, usage.memory_pressure);
  return out;
}

json swap_json(const CgroupUsage& usage, std::optional<std::uint64_t> capacity) {
  const auto used = *usage.memory->swap;
  json out = {{"time", time_text(usage.time)}, {"swapUsageBytes", used}};
  const auto limit = capacity ? capacity : usage.memory->swap_limit;
  if (limit) out["swapAvailableBytes"] = *limit > used ? *limit - used : 0;
  return out;
}

// cpu, memory, io and swap of anything that has a cgroup. Capacities: the node's, where it is the node's.
void set_usage(json& to, const CgroupUsage& usage, bool brief, std::optional<std::uint64_t> capacity = std::nullopt,
               std::optional<std::uint64_t> swap_capacity = std::nullopt) {
  if (usage.cpu) {
    json cpu = {{"time", time_text(usage.time)}, {"usageCoreNanoSeconds", usage.cpu->usage_ns}};
    set(cpu, "usageNanoCores", usage.cpu->nano_cores);
    set_pressure(cpu, usage.cpu_pressure);
    to["cpu"] = std::move(cpu);
  }
  if (usage.memory) {
    to["memory"] = memory_json(usage, capacity);
    if (!brief && usage.memory->swap) to["swap"] = swap_json(usage, swap_capacity);
  }
  if (!brief && usage.io_pressure) {
    json io = {{"time", time_text(usage.time)}};
    set_pressure(io, usage.io_pressure);
    to["io"] = std::move(io);
  }
}

json fs_json(const FsUsage& fs) {
  json out = {{"time", time_text(fs.time)}};
  set(out, "availableBytes", fs.available);
  set(out, "capacityBytes", fs.capacity);
  set(out, "usedBytes", fs.used);
  set(out, "inodesFree", fs.inodes_free);
  set(out, "inodes", fs.inodes);
  set(out, "inodesUsed", fs.inodes_used);
  return out;
}

json interface_json(const InterfaceUsage& i) {
  return {{"name", i.name},
          {"rxBytes", i.rx_bytes},
          {"rxErrors", i.rx_errors},
          {"txBytes", i.tx_bytes},
          {"txErrors", i.tx_errors}};
}

// The first interface stands for all, or eth0 where there is one.
json network_json(const std::vector<InterfaceUsage>& interfaces, SystemTime time) {
  const InterfaceUsage* chosen = &interfaces.front();
  json all = json::array();
  for (const auto& i : interfaces) {
    all.push_back(interface_json(i));
    if (i.name == "eth0") chosen = &i;
  }
  json out = interface_json(*chosen);
  out["time"] = time_text(time);
  out["interfaces"] = std::move(all);
  return out;
}

json container_json(const ContainerSample& c, bool brief) {
  json out = {{"name", c.name}, {"startTime", time_text(c.started_at)}};
  set_usage(out, c.usage, brief);
  if (!brief && c.rootfs) out["rootfs"] = fs_json(*c.rootfs);
  if (!brief && c.logs) out["logs"] = fs_json(*c.logs);
  return out;
}

json volume_json(const VolumeSample& volume, const PodSample& pod, const std::optional<FsUsage>& node) {
  FsUsage usage = volume.usage;
  if (!usage.capacity && node) {
    usage.capacity = node->capacity;
    usage.available = node->available;
    usage.inodes = node->inodes;
    usage.inodes_free = node->inodes_free;
  }
  json out = fs_json(usage);
  out["name"] = volume.name;
  if (!volume.claim.empty()) out["pvcRef"] = {{"name", volume.claim}, {"namespace", pod.ns}};
  return out;
}

// What the pod takes of the node's disk: its containers' writable layers and logs, and volumes of that kind.
std::optional<FsUsage> ephemeral_storage(const PodSample& pod, const std::optional<FsUsage>& node) {
  if (!node) return std::nullopt;
  FsUsage out = *node;
  std::uint64_t bytes = 0, inodes = 0;
  for (const auto& c : pod.containers) {
    for (const auto* fs : {&c.rootfs, &c.logs}) {
      if (!*fs) continue;
      bytes += (*fs)->used.value_or(0);
      inodes += (*fs)->inodes_used.value_or(0);
    }
  }
  for (const auto& volume : pod.volumes) {
    if (!volume.ephemeral) continue;
    bytes += volume.usage.used.value_or(0);
    inodes += volume.usage.inodes_used.value_or(0);
  }
  out.used = bytes;
  out.inodes_used = inodes;
  return out;
}

json pod_json(const PodSample& pod, const NodeSample& node, bool brief) {
  json out = {{"podRef", {{"name", pod.name}, {"namespace", pod.ns}, {"uid", pod.uid}}},
              {"startTime", time_text(pod.started_at)},
              {"containers", json::array()}};
  for (const auto& c : pod.containers) out["containers"].push_back(container_json(c, brief));
  set_usage(out, pod.usage, brief);
  if (brief) return out;
  if (!pod.interfaces.empty()) out["network"] = network_json(pod.interfaces, pod.usage.time);
  for (const auto& volume : pod.volumes) out["volume"].push_back(volume_json(volume, pod, node.fs));
  if (const auto storage = ephemeral_storage(pod, node.fs)) out["ephemeral-storage"] = fs_json(*storage);
  if (pod.usage.processes) out["process_stats"] = {{"process_count", *pod.usage.processes}};
  return out;
}

json node_json(const NodeSample& node, bool brief) {
  json out = {{"nodeName", node.name}, {"startTime", time_text(node.booted_at)}, {"systemContainers", json::array()}};
  set_usage(out, node.usage, brief, node.memory_capacity, node.swap_capacity);
  for (const auto& [name, usage] : node.system) {
    json item = {{"name", name}, {"startTime", time_text(node.booted_at)}};
    set_usage(item, usage, brief);
    out["systemContainers"].push_back(std::move(item));
  }
  if (brief) return out;
  if (!node.interfaces.empty()) out["network"] = network_json(node.interfaces, node.usage.time);
  if (node.processes) {
    out["rlimit"] = {{"time", time_text(node.processes->time)},
                     {"maxpid", node.processes->max},
                     {"curproc", node.processes->current}};
  }
  if (node.fs) out["fs"] = fs_json(*node.fs);
  if (node.image_fs) out["runtime"] = {{"imageFs", fs_json(*node.image_fs)}, {"containerFs", fs_json(*node.image_fs)}};
  return out;
}

}  // namespace

json make_summary(const Sample& sample, bool cpu_and_memory_only) {
  json pods = json::array();
  for (const auto& pod : sample.pods) pods.push_back(pod_json(pod, sample.node, cpu_and_memory_only));
  return {{"node", node_json(sample.node, cpu_and_memory_only)}, {"pods", std::move(pods)}};
}

}  // namespace keelson::stats
