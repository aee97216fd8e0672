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
  std::optional<IoUsage> io;
  std::optional<std::uint64_t> processes;
  std::optional<Pressure> cpu_pressure, memory_pressure, io_pressure;
};

struct FsUsage {
  SystemTime time{};
  std::optional<std::uint64_t> available, capacity, used;  // bytes
  std::optional<std::uint64_t> inodes_free, inodes, inodes_used;
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
};

struct Sample {
  NodeSample node;
  std::vector<PodSample> pods;
};

}  // namespace keelson::stats
