#include "agent/stats/metrics.hpp"

#include "agent/stats/metric_text.hpp"

namespace keelson::stats {
namespace {

constexpr double kNano = 1e-9;

double seconds(SystemTime time) { return static_cast<double>(time.time_since_epoch().count()) * kNano; }

using Value = std::optional<double>;
using Of = Value (*)(const CgroupUsage&);

Value value_of(const std::optional<std::uint64_t>& number) {
  return number ? Value(static_cast<double>(*number)) : Value();
}

Value cpu_seconds(const CgroupUsage& u) {
  return u.cpu ? Value(static_cast<double>(u.cpu->usage_ns) * kNano) : Value();
}
Value working_set(const CgroupUsage& u) {
  return u.memory ? Value(static_cast<double>(u.memory->working_set)) : Value();
}
Value swap_used(const CgroupUsage& u) {
  return u.memory && u.memory->swap ? Value(static_cast<double>(*u.memory->swap)) : Value();
}

// One metric of /metrics/resource for the node, pods or containers.
template <class Rows>
void resource_family(MetricText& out, const char* name, const char* type, const char* help, Of of, const Rows& rows) {
  out.family(name, type, help);
  for (const auto& [labels, usage] : rows) {
    if (const auto value = of(*usage)) out.sample(*value, labels, usage->time);
  }
}

using Rows = std::vector<std::pair<std::string, const CgroupUsage*>>;

void resource_families(MetricText& out, const std::string& prefix, const char* of_what, const Rows& rows) {
  const std::string of(of_what);
  resource_family(out, (prefix + "_cpu_usage_seconds_total").c_str(), "counter",
                  ("[STABLE] Cumulative cpu time consumed by the " + of + " in core-seconds").c_str(), cpu_seconds,
                  rows);
  resource_family(out, (prefix + "_memory_working_set_bytes").c_str(), "gauge",
                  ("[STABLE] Current working set of the " + of + " in bytes").c_str(), working_set, rows);
  resource_family(out, (prefix + "_swap_usage_bytes").c_str(), "gauge",
                  ("[ALPHA] Current swap usage of the " + of + " in bytes").c_str(), swap_used, rows);
}

// A row of /metrics/cadvisor.
struct Row {
  std::string labels;
  const CgroupUsage* usage;
  std::optional<SystemTime> started_at;
  std::vector<const FsUsage*> filesystems;
};

struct Family {
  const char* name;
  const char* type;
  const char* help;
  Of of;
};

#define KEELSON_CPU(expr)             \
  [](const CgroupUsage& u) -> Value { \
    if (!u.cpu) return {};            \
    const auto& c = *u.cpu;           \
    return static_cast<double>(expr); \
  }
#define KEELSON_MEMORY(expr)          \
  [](const CgroupUsage& u) -> Value { \
    if (!u.memory) return {};         \
    const auto& m = *u.memory;        \
    return static_cast<double>(expr); \
  }
#define KEELSON_PRESSURE(field, line)                          \
  [](const CgroupUsage& u) -> Value {                          \
    if (!u.field) return {};                                   \
    return static_cast<double>(u.field->line.total_us) * 1e-6; \
  }

constexpr Family kFamilies[] = {
    {"container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.", cpu_seconds},
    {"container_cpu_user_seconds_total", "counter", "Cumulative user cpu time consumed in seconds.",
     KEELSON_CPU(c.user_ns* kNano)},
    {"container_cpu_system_seconds_total", "counter", "Cumulative system cpu time consumed in seconds.",
     KEELSON_CPU(c.system_ns* kNano)},
    {"container_cpu_cfs_periods_total", "counter", "Number of elapsed enforcement period intervals.",
     KEELSON_CPU(c.periods)},
    {"container_cpu_cfs_throttled_periods_total", "counter", "Number of throttled period intervals.",
     KEELSON_CPU(c.throttled_periods)},
    {"container_cpu_cfs_throttled_seconds_total", "counter", "Total time duration the container has been throttled.",
     KEELSON_CPU(c.throttled_ns* kNano)},
    {"container_memory_usage_bytes", "gauge",
     "Current memory usage in bytes, including all memory regardless of when it was accessed", KEELSON_MEMORY(m.usage)},
    {"container_memory_working_set_bytes", "gauge", "Current working set in bytes.", working_set},
    {"container_memory_rss", "gauge", "Size of RSS in bytes.", KEELSON_MEMORY(m.rss)},
    {"container_memory_cache", "gauge", "Number of bytes of page cache memory.", KEELSON_MEMORY(m.cache)},
    {"container_memory_mapped_file", "gauge", "Size of memory mapped files in bytes.", KEELSON_MEMORY(m.mapped_file)},
    {"container_memory_kernel_usage", "gauge", "Size of kernel memory allocated in bytes.", KEELSON_MEMORY(m.kernel)},
    {"container_memory_total_active_file_bytes", "gauge", "Current total active file in bytes.",
     KEELSON_MEMORY(m.active_file)},
    {"container_memory_total_inactive_file_bytes", "gauge", "Current total inactive file in bytes.",
     KEELSON_MEMORY(m.inactive_file)},
    {"container_memory_swap", "gauge", "Container swap usage in bytes.", swap_used},
    {"container_memory_failcnt", "counter", "Number of memory usage hits limits", KEELSON_MEMORY(m.failures)},
    {"container_memory_max_usage_bytes", "gauge", "Maximum memory usage recorded in bytes",
     [](const CgroupUsage& u) -> Value {
       return u.memory && u.memory->max_usage ? Value(static_cast<double>(*u.memory->max_usage)) : Value();
     }},
    {"container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.",
     KEELSON_MEMORY(m.limit.value_or(0))},
    {"container_spec_memory_swap_limit_bytes", "gauge", "Memory swap limit for the container.",
     KEELSON_MEMORY(m.swap_limit.value_or(0))},
    {"container_spec_memory_reservation_limit_bytes", "gauge", "Memory reservation limit for the container.",
     KEELSON_MEMORY(m.reservation.value_or(0))},
    {"container_spec_cpu_shares", "gauge", "CPU share of the container.",
     [](const CgroupUsage& u) { return u.cpu_spec ? Value(static_cast<double>(u.cpu_spec->shares)) : Value(); }},
    {"container_spec_cpu_period", "gauge", "CPU period of the container.",
     [](const CgroupUsage& u) {
       return u.cpu_spec && u.cpu_spec->period_us > 0 ? Value(static_cast<double>(u.cpu_spec->period_us)) : Value();
     }},
    {"container_spec_cpu_quota", "gauge", "CPU quota of the container.",
     [](const CgroupUsage& u) { return u.cpu_spec ? value_of(u.cpu_spec->quota_us) : Value(); }},
    {"container_oom_events_total", "counter", "Count of out of memory events observed for the container",
     KEELSON_MEMORY(m.oom_kills)},
    {"container_processes", "gauge", "Number of processes running inside the container.",
     [](const CgroupUsage& u) { return value_of(u.processes); }},
    {"container_threads", "gauge", "Number of threads running inside the container",
     [](const CgroupUsage& u) { return value_of(u.threads); }},
    {"container_threads_max", "gauge",
     "Maximum number of threads allowed inside the container, infinity if value is zero",
     [](const CgroupUsage& u) { return u.threads ? Value(value_of(u.threads_max).value_or(0)) : Value(); }},
    {"container_pressure_cpu_waiting_seconds_total", "counter",
     "Total time duration tasks in the container have waited due to CPU congestion.",
     KEELSON_PRESSURE(cpu_pressure, some)},
    {"container_pressure_cpu_stalled_seconds_total", "counter",
     "Total time duration no tasks in the container could make progress due to CPU congestion.",
     KEELSON_PRESSURE(cpu_pressure, full)},
    {"container_pressure_memory_waiting_seconds_total", "counter",
     "Total time duration tasks in the container have waited due to memory congestion.",
     KEELSON_PRESSURE(memory_pressure, some)},
    {"container_pressure_memory_stalled_seconds_total", "counter",
     "Total time duration no tasks in the container could make progress due to memory congestion.",
     KEELSON_PRESSURE(memory_pressure, full)},
    {"container_pressure_io_waiting_seconds_total", "counter",
     "Total time duration tasks in the container have waited due to IO congestion.",
     KEELSON_PRESSURE(io_pressure, some)},
    {"container_pressure_io_stalled_seconds_total", "counter",
     "Total time duration no tasks in the container could make progress due to IO congestion.",
     KEELSON_PRESSURE(io_pressure, full)},
    {"container_last_seen", "gauge", "Last time a container was seen by the exporter",
     [](const CgroupUsage& u) -> Value { return seconds(u.time); }},
};
#undef KEELSON_CPU
#undef KEELSON_MEMORY
#undef KEELSON_PRESSURE

// Prometheus wants labels in any order; further ones are put before these.
std::string row_labels(std::string_view container, std::string_view id, std::string_view image, std::string_view name,
                       const PodSample* pod) {
  return label_text({{"container", container},
                     {"id", id},
                     {"image", image},
                     {"name", name},
                     {"namespace", pod ? std::string_view(pod->ns) : std::string_view()},
                     {"pod", pod ? std::string_view(pod->name) : std::string_view()}});
}

std::vector<Row> rows_of(const Sample& sample) {
  std::vector<Row> out;
  out.push_back({row_labels("", "/", "", "", nullptr), &sample.node.usage, sample.node.booted_at, {}});
  if (sample.node.fs) out.back().filesystems.push_back(&*sample.node.fs);
  for (const auto& [name, usage] : sample.node.system) {
    out.push_back({row_labels("", usage.path, "", "", nullptr), &usage, std::nullopt, {}});
  }
  for (const auto& pod : sample.pods) {
    if (!pod.usage.cpu) continue;
    out.push_back({row_labels("", pod.usage.path, "", "", &pod), &pod.usage, pod.started_at, {}});
    for (const auto& c : pod.containers) {
      if (!c.usage.cpu) continue;
      out.push_back({row_labels(c.name, c.usage.path, c.image, c.id, &pod), &c.usage, c.started_at, {}});
      if (c.rootfs) out.back().filesystems.push_back(&*c.rootfs);
    }
  }
  return out;
}

// Families of which a row has several samples, or none.
void memory_failures(MetricText& out, const std::vector<Row>& rows) {
  out.family("container_memory_failures_total", "counter", "Cumulative count of memory allocation failures.");
  for (const auto& row : rows) {
    if (!row.usage->memory) continue;
    const auto& m = *row.usage->memory;
    for (const char* scope : {"container", "hierarchy"}) {
      const std::pair<const char*, std::uint64_t> types[] = {{"pgfault", m.page_faults},
                                                             {"pgmajfault", m.major_page_faults}};
      for (const auto& [type, count] : types) {
        const auto extra = label_text({{"failure_type", type}, {"scope", scope}});
        out.sample(static_cast<double>(count), extra + "," + row.labels, row.usage->time);
      }
    }
  }
}

struct IoFamily {
  const char* name;
  const char* help;
  std::uint64_t IoUsage::*value;
};
constexpr IoFamily kIo[] = {
    {"container_fs_reads_bytes_total", "Cumulative count of bytes read", &IoUsage::read_bytes},
    {"container_fs_writes_bytes_total", "Cumulative count of bytes written", &IoUsage::written_bytes},
    {"container_fs_reads_total", "Cumulative count of reads completed", &IoUsage::reads},
    {"container_fs_writes_total", "Cumulative count of writes completed", &IoUsage::writes},
};

struct FsFamily {
  const char* name;
  const char* help;
  std::optional<std::uint64_t> FsUsage::*value;
};
constexpr FsFamily kFilesystem[] = {
    {"container_fs_usage_bytes", "Number of bytes that are consumed by the container on this filesystem.",
     &FsUsage::used},
    {"container_fs_limit_bytes", "Number of bytes that can be consumed by the container on this filesystem.",
     &FsUsage::capacity},
    {"container_fs_inodes_free", "Number of available Inodes", &FsUsage::inodes_free},
    {"container_fs_inodes_total", "Number of Inodes", &FsUsage::inodes},
};

void disk_families(MetricText& out, const std::vector<Row>& rows) {
  for (const auto& family : kIo) {
    out.family(family.name, "counter", family.help);
    for (const auto& row : rows) {
      for (const auto& [device, io] : row.usage->io) {
        const auto extra = label_text({{"device", device}});
        out.sample(static_cast<double>(io.*family.value), extra + "," + row.labels, row.usage->time);
      }
    }
  }
  for (const auto& family : kFilesystem) {
    out.family(family.name, "gauge", family.help);
    for (const auto& row : rows) {
      for (const auto* fs : row.filesystems) {
        const auto extra = label_text({{"device", fs->device}});
        if (const auto value = value_of(fs->*family.value)) out.sample(*value, extra + "," + row.labels, fs->time);
      }
    }
  }
}

struct NetworkFamily {
  const char* name;
  const char* help;
  std::uint64_t InterfaceUsage::*value;
};
constexpr NetworkFamily kNetwork[] = {
    {"container_network_receive_bytes_total", "Cumulative count of bytes received", &InterfaceUsage::rx_bytes},
    {"container_network_receive_packets_total", "Cumulative count of packets received", &InterfaceUsage::rx_packets},
    {"container_network_receive_errors_total", "Cumulative count of errors encountered while receiving",
     &InterfaceUsage::rx_errors},
    {"container_network_receive_packets_dropped_total", "Cumulative count of packets dropped while receiving",
     &InterfaceUsage::rx_dropped},
    {"container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", &InterfaceUsage::tx_bytes},
    {"container_network_transmit_packets_total", "Cumulative count of packets transmitted",
     &InterfaceUsage::tx_packets},
    {"container_network_transmit_errors_total", "Cumulative count of errors encountered while transmitting",
     &InterfaceUsage::tx_errors},
    {"container_network_transmit_packets_dropped_total", "Cumulative count of packets dropped while transmitting",
     &InterfaceUsage::tx_dropped},
};

void network_families(MetricText& out, const Sample& sample) {
  std::vector<std::pair<std::string, const InterfaceUsage*>> rows;
  const auto add = [&rows](std::string_view id, std::string_view name, const PodSample* pod, const auto& interfaces) {
    for (const auto& i : interfaces) {
      rows.emplace_back(label_text({{"container", ""},
                                    {"id", id},
                                    {"image", ""},
                                    {"interface", i.name},
                                    {"name", name},
                                    {"namespace", pod ? std::string_view(pod->ns) : std::string_view()},
                                    {"pod", pod ? std::string_view(pod->name) : std::string_view()}}),
                        &i);
    }
  };
  add("/", "", nullptr, sample.node.interfaces);
  for (const auto& pod : sample.pods) add(pod.usage.path, pod.sandbox_id, &pod, pod.interfaces);
  for (const auto& family : kNetwork) {
    out.family(family.name, "counter", family.help);
    for (const auto& [labels, i] : rows)
      out.sample(static_cast<double>(i->*family.value), labels, sample.node.usage.time);
  }
}

struct VolumeFamily {
  const char* name;
  const char* help;
  std::optional<std::uint64_t> FsUsage::*value;
};
constexpr VolumeFamily kVolumes[] = {
    {"kubelet_volume_stats_capacity_bytes", "[ALPHA] Capacity in bytes of the volume", &FsUsage::capacity},
    {"kubelet_volume_stats_available_bytes", "[ALPHA] Number of available bytes in the volume", &FsUsage::available},
    {"kubelet_volume_stats_used_bytes", "[ALPHA] Number of used bytes in the volume", &FsUsage::used},
    {"kubelet_volume_stats_inodes", "[ALPHA] Maximum number of inodes in the volume", &FsUsage::inodes},
    {"kubelet_volume_stats_inodes_free", "[ALPHA] Number of free inodes in the volume", &FsUsage::inodes_free},
    {"kubelet_volume_stats_inodes_used", "[ALPHA] Number of used inodes in the volume", &FsUsage::inodes_used},
};

}  // namespace

void write_volume_metrics(MetricText& out, const std::vector<PodSample>& pods) {
  std::map<std::string, const FsUsage*> claims;
  for (const auto& pod : pods) {
    for (const auto& volume : pod.volumes) {
      if (volume.claim.empty()) continue;
      claims.emplace(label_text({{"namespace", pod.ns}, {"persistentvolumeclaim", volume.claim}}), &volume.usage);
    }
  }
  for (const auto& family : kVolumes) {
    if (claims.empty()) break;
    out.family(family.name, "gauge", family.help);
    for (const auto& [labels, usage] : claims) {
      if (const auto value = value_of(usage->*family.value)) out.sample(*value, labels);
    }
  }
}

std::string resource_metrics(const Sample& sample, bool failed) {
  MetricText out;
  Rows nodes{{"", &sample.node.usage}}, pods, containers;
  std::vector<std::pair<std::string, SystemTime>> starts;
  for (const auto& pod : sample.pods) {
    pods.emplace_back(label_text({{"namespace", pod.ns}, {"pod", pod.name}}), &pod.usage);
    for (const auto& c : pod.containers) {
      containers.emplace_back(label_text({{"container", c.name}, {"namespace", pod.ns}, {"pod", pod.name}}), &c.usage);
      starts.emplace_back(containers.back().first, c.started_at);
    }
  }
  resource_families(out, "node", "node", nodes);
  resource_families(out, "pod", "pod", pods);
  resource_families(out, "container", "container", containers);
  resource_family(out, "container_swap_limit_bytes", "gauge",
                  "[ALPHA] Current amount of the container swap limit in bytes. Reported only on non-windows systems",
                  [](const CgroupUsage& u) { return u.memory ? value_of(u.memory->swap_limit) : Value(); }, containers);
  out.family("container_start_time_seconds", "gauge",
             "[STABLE] Start time of the container since unix epoch in seconds");
  for (const auto& [labels, time] : starts) out.sample(seconds(time), labels);
  for (const char* name : {"resource_scrape_error", "scrape_error"}) {
    out.single(name, "gauge", "1 if there was an error while getting container metrics, 0 otherwise", failed ? 1 : 0);
  }
  return out.take();
}

std::string cadvisor_metrics(const Sample& sample, const MachineFacts& machine) {
  MetricText out;
  out.family("cadvisor_version_info", "gauge",
             "A metric with a constant '1' value labeled by kernel, OS and runtime version.");
  out.sample(1, label_text({{"cadvisorRevision", ""},
                            {"cadvisorVersion", ""},
                            {"dockerVersion", machine.runtime_version},
                            {"kernelVersion", machine.kernel},
                            {"osVersion", machine.os}}));
  const auto who = label_text(
      {{"boot_id", machine.boot_id}, {"machine_id", machine.machine_id}, {"system_uuid", machine.system_uuid}});
  const auto of_machine = [&](const char* name, const char* help, double value) {
    out.family(name, "gauge", help);
    out.sample(value, who);
  };
  of_machine("machine_cpu_cores", "Number of logical CPU cores.", sample.node.cores);
  of_machine("machine_memory_bytes", "Amount of memory installed on the machine.",
             static_cast<double>(sample.node.memory_capacity));
  of_machine("machine_swap_bytes", "Amount of swap memory available on the machine.",
             static_cast<double>(sample.node.swap_capacity));
  out.single("machine_scrape_error", "gauge", "1 if there was an error while getting machine metrics, 0 otherwise.", 0);
  const auto rows = rows_of(sample);
  for (const auto& family : kFamilies) {
    out.family(family.name, family.type, family.help);
    for (const auto& row : rows) {
      if (const auto value = family.of(*row.usage)) out.sample(*value, row.labels, row.usage->time);
    }
  }
  out.family("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds.");
  for (const auto& row : rows) {
    if (row.started_at) out.sample(seconds(*row.started_at), row.labels, row.usage->time);
  }
  memory_failures(out, rows);
  disk_families(out, rows);
  network_families(out, sample);
  out.single("container_scrape_error", "gauge", "1 if there was an error while getting container metrics, 0 otherwise",
             0);
  return out.take();
}

}  // namespace keelson::stats
