// What the node, its pods and their containers use, at one time. Plain values; absent means not known here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/chrono.hpp"

namespace keelson::stats {

struct CpuUsage {
  std::uint64_t usage_ns = 0, user_ns = 0, system_ns = 0;
  std::uint64_t periods = 0, throttled_periods = 0, throttled_ns = 0;
  std::optional<std::uint64_t> nano_cores;  // since the sample before
};

struct MemoryUsage {
  std::uint64_t usage = 0, working_set = 0, rss = 0, cache = 0, mapped_file = 0;  // bytes
  std::uint64_t page_faults = 0, major_page_faults = 0, failures = 0;
  std::optional<std::uint64_t> swap, limit, max_usage;  // bytes; limit: none is set where absent
  std::uint64_t oom_kills = 0;
  std::optional<std::uint64_t> swap_limit, reservation;                  // bytes; likewise
  std::uint64_t active_file = 0, inactive_file = 0, kernel = 0;          // bytes
};

// What the cgroup's CPU is bound by.
struct CpuSpec {
  std::uint64_t shares = 0;               // v1's measure, 1024 for one CPU
  std::uint64_t period_us = 0;            // 0: not known
  std::optional<std::uint64_t> quota_us;  // none: no limit
};

struct IoUsage {
  std::uint64_t read_bytes = 0, written_bytes = 0, reads = 0, writes = 0;
};

struct PressureLine {
  double avg10 = 0, avg60 = 0, avg300 = 0;  // percent
  std::uint64_t total_us = 0;
};
struct Pressure {
  PressureLine some, full;
};

struct CgroupUsage {
  std::string path;  // below the cgroup mount
  SystemTime time{};
  std::optional<CpuUsage> cpu;
  std::optional<MemoryUsage> memory;
  std::map<std::string, IoUsage> io;                  // by device, "/dev/sda"
  std::optional<std::uint64_t> threads, threads_max;  // threads_max: no limit is set where absent
  std::optional<Pressure> cpu_pressure, memory_pressure, io_pressure;
  std::optional<CpuSpec> cpu_spec;
  std::optional<std::uint64_t> processes;  // of a pod: of all its containers
};

struct FsUsage {
  SystemTime time{};
  std::optional<std::uint64_t> available, capacity, used;  // bytes
  std::optional<std::uint64_t> inodes_free, inodes, inodes_used;
  std::string device;  // "/dev/sda1", or what the mount table has there; empty: not known
};

struct VolumeSample {
  std::string name;        // pod.spec.volumes[].name
  std::string claim;       // the PersistentVolumeClaim of the pod's namespace; empty: none
  bool ephemeral = false;  // takes of the pod's ephemeral storage
  FsUsage usage;           // without capacity: it lies on the node's own filesystem
};

struct InterfaceUsage {
  std::string name;
  std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

struct ContainerSample {
  std::string name, id, image;
  SystemTime started_at{};
  CgroupUsage usage;
  std::optional<FsUsage> rootfs, logs;
};

struct PodSample {
  std::string name, ns, uid, sandbox_id;
  SystemTime started_at{};
  CgroupUsage usage;
  std::vector<InterfaceUsage> interfaces;  // none for pods on the node's network
  std::vector<ContainerSample> containers;
  std::vector<VolumeSample> volumes;
};

struct ProcessLimit {
  SystemTime time{};
  std::uint64_t max = 0, current = 0;
};

struct NodeSample {
  std::string name;
  SystemTime booted_at{};
  CgroupUsage usage;
  std::uint64_t memory_capacity = 0, swap_capacity = 0;  // bytes
  unsigned cores = 0;
  std::vector<InterfaceUsage> interfaces;
  std::optional<FsUsage> fs, image_fs;
  std::map<std::string, CgroupUsage> system;  // "pods", "kubelet", "runtime"
  std::optional<ProcessLimit> processes;
};

struct Sample {
  NodeSample node;
  std::vector<PodSample> pods;
};

}  // namespace keelson::stats
