// The texts of cgroup files (v1 and v2) and of /proc/PID/net/dev as numbers. Pure; what is not there counts as 0 or
// absent, for kernels differ in what they tell.
#pragma once

#include <string_view>

#include "agent/stats/sample.hpp"

namespace keelson::stats {

// The number that a file holds; nothing for "max", for v1's "no limit" (about 2^63) and for what is no number.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);
// Lines of "key value".
[[nodiscard]] std::map<std::string, std::uint64_t, std::less<>> parse_flat(std::string_view text);

// v2: cpu.stat.
[[nodiscard]] CpuUsage parse_cpu_v2(std::string_view cpu_stat);
// v1: cpuacct.usage, cpuacct.stat (in ticks of `hz`), cpu.stat.
[[nodiscard]] CpuUsage parse_cpu_v1(std::string_view usage, std::string_view cpuacct_stat, std::string_view cpu_stat,
                                    std::uint64_t hz = 100);
// v2: memory.stat, memory.current. `current` may be empty (the root has none): anon and file then.
[[nodiscard]] MemoryUsage parse_memory_v2(std::string_view memory_stat, std::string_view current);
// v1: memory.stat (its total_ values), memory.usage_in_bytes.
[[nodiscard]] MemoryUsage parse_memory_v1(std::string_view memory_stat, std::string_view usage);
using DeviceIo = std::map<std::string, IoUsage>;  // by device number, "8:0"
// v2: io.stat.
[[nodiscard]] DeviceIo parse_io_v2(std::string_view io_stat);
// v1: blkio.throttle.io_service_bytes and blkio.throttle.io_serviced.
[[nodiscard]] DeviceIo parse_io_v1(std::string_view bytes, std::string_view operations);
// v2: cpu.weight as v1's shares (runc's formula the other way round), cpu.max.
[[nodiscard]] CpuSpec parse_cpu_spec_v2(std::string_view weight, std::string_view cpu_max);
// v1: cpu.shares, cpu.cfs_quota_us (-1: none), cpu.cfs_period_us.
[[nodiscard]] CpuSpec parse_cpu_spec_v1(std::string_view shares, std::string_view quota, std::string_view period);
// /proc/self/mountinfo: what is mounted there, by device number, "8:1" -> "/dev/sda1".
[[nodiscard]] std::map<std::string, std::string> parse_mount_sources(std::string_view mountinfo);
// The cgroup of a process, from /proc/PID/cgroup: v2's, or v1's memory controller's. Empty: none.
[[nodiscard]] std::string parse_own_cgroup(std::string_view text);
// cpu.pressure, memory.pressure, io.pressure. Nothing when empty.
[[nodiscard]] std::optional<Pressure> parse_pressure(std::string_view text);
// Without "lo".
[[nodiscard]] std::vector<InterfaceUsage> parse_net_dev(std::string_view text);

}  // namespace keelson::stats
