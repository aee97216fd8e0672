#include "agent/stats/reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "agent/stats/cgroup_files.hpp"
#include "base/files.hpp"
#include "base/unique_fd.hpp"

namespace keelson::stats {
namespace {

namespace fs = std::filesystem;

SystemTime now() { return std::chrono::system_clock::now(); }

// A small file's text; empty when it cannot be read.
std::string slurp(const fs::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string out;
  char buffer[8192];
  for (ssize_t n; fd && (n = ::read(fd.get(), buffer, sizeof buffer)) > 0;) {
    out.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

fs::path dir_of(const CgroupMount& mount, const char* controller, const std::string& path) {
  auto base = mount.path;
  if (mount.version == 1) base /= controller;
  return base / fs::path(path).relative_path();
}

// "8:0" -> "/dev/sda"; the number itself where the kernel has no such device. As cAdvisor names them.
std::map<std::string, IoUsage> named_devices(const DeviceIo& io) {
  std::map<std::string, IoUsage> out;
  for (const auto& [number, usage] : io) {
    std::error_code ec;
    const auto link = fs::read_symlink("/sys/dev/block/" + number, ec);
    out.emplace(ec ? number : "/dev/" + link.filename().string(), usage);
  }
  return out;
}

std::uint64_t count_lines(const std::string& text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

void read_v2(const fs::path& dir, Detail detail, CgroupUsage& out) {
  out.cpu = parse_cpu_v2(slurp(dir / "cpu.stat"));
  auto& memory = out.memory.emplace(parse_memory_v2(slurp(dir / "memory.stat"), slurp(dir / "memory.current")));
  memory.swap = parse_number(slurp(dir / "memory.swap.current"));
  if (memory.swap) memory.swap_limit = parse_number(slurp(dir / "memory.swap.max"));
  if (detail == Detail::resource) return;
  memory.limit = parse_number(slurp(dir / "memory.max"));
  memory.max_usage = parse_number(slurp(dir / "memory.peak"));
  const auto events = parse_flat(slurp(dir / "memory.events"));
  if (const auto kills = events.find("oom_kill"); kills != events.end()) memory.oom_kills = kills->second;
  if (const auto hits = events.find("max"); hits != events.end()) memory.failures = hits->second;
  memory.reservation = parse_number(slurp(dir / "memory.min"));
  out.threads = parse_number(slurp(dir / "pids.current"));
  out.threads_max = parse_number(slurp(dir / "pids.max"));
  out.processes = count_lines(slurp(dir / "cgroup.procs"));
  out.io = named_devices(parse_io_v2(slurp(dir / "io.stat")));
  if (const auto weight = slurp(dir / "cpu.weight"); !weight.empty()) {
    out.cpu_spec = parse_cpu_spec_v2(weight, slurp(dir / "cpu.max"));
  }
  out.cpu_pressure = parse_pressure(slurp(dir / "cpu.pressure"));
  out.memory_pressure = parse_pressure(slurp(dir / "memory.pressure"));
  out.io_pressure = parse_pressure(slurp(dir / "io.pressure"));
}

void read_v1(const CgroupMount& mount, const std::string& path, Detail detail, CgroupUsage& out) {
  const auto cpuacct = dir_of(mount, "cpuacct", path), cpu = dir_of(mount, "cpu", path);
  const bool full = detail == Detail::full;
  out.cpu = parse_cpu_v1(slurp(cpuacct / "cpuacct.usage"), full ? slurp(cpuacct / "cpuacct.stat") : "",
                         full ? slurp(cpu / "cpu.stat") : "", static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
  const auto dir = dir_of(mount, "memory", path);
  auto& memory = out.memory.emplace(parse_memory_v1(slurp(dir / "memory.stat"), slurp(dir / "memory.usage_in_bytes")));
  if (!full) return;
  memory.limit = parse_number(slurp(dir / "memory.limit_in_bytes"));
  if (memory.limit && *memory.limit >= (std::uint64_t{1} << 60)) memory.limit.reset();
  memory.max_usage = parse_number(slurp(dir / "memory.max_usage_in_bytes"));
  memory.failures = parse_number(slurp(dir / "memory.failcnt")).value_or(0);
  const auto control = parse_flat(slurp(dir / "memory.oom_control"));
  if (const auto kills = control.find("oom_kill"); kills != control.end()) memory.oom_kills = kills->second;
  memory.reservation = parse_number(slurp(dir / "memory.soft_limit_in_bytes"));
  if (memory.reservation && *memory.reservation >= (std::uint64_t{1} << 60)) memory.reservation.reset();
  out.threads = parse_number(slurp(dir_of(mount, "pids", path) / "pids.current"));
  out.threads_max = parse_number(slurp(dir_of(mount, "pids", path) / "pids.max"));
  out.processes = count_lines(slurp(dir / "cgroup.procs"));
  out.cpu_spec = parse_cpu_spec_v1(slurp(cpu / "cpu.shares"), slurp(cpu / "cpu.cfs_quota_us"),
                                   slurp(cpu / "cpu.cfs_period_us"));
  const auto blkio = dir_of(mount, "blkio", path);
  out.io = named_devices(
      parse_io_v1(slurp(blkio / "blkio.throttle.io_service_bytes"), slurp(blkio / "blkio.throttle.io_serviced")));
}

std::optional<FsUsage> read_fs(const fs::path& path) {
  struct statvfs info {};
  if (path.empty() || ::statvfs(path.c_str(), &info) != 0) return std::nullopt;
  FsUsage out;
  out.time = now();
  out.capacity = info.f_blocks * info.f_frsize;
  out.available = info.f_bavail * info.f_frsize;
  out.used = (info.f_blocks - info.f_bfree) * info.f_frsize;
  out.inodes = info.f_files;
  out.inodes_free = info.f_ffree;
  out.inodes_used = info.f_files - info.f_ffree;
  struct stat at {};
  if (::stat(path.c_str(), &at) == 0) {
    const auto sources = parse_mount_sources(slurp("/proc/self/mountinfo"));
    const auto found = sources.find(std::to_string(major(at.st_dev)) + ":" + std::to_string(minor(at.st_dev)));
    if (found != sources.end()) out.device = found->second;
  }
  return out;
}

// What the files of one folder take on disk; container logs lie flat.
FsUsage folder_usage(const fs::path& dir, const std::optional<FsUsage>& on) {
  FsUsage out = on.value_or(FsUsage{});
  out.time = now();
  out.used = out.inodes_used = 0;
  const auto names = list_dir(dir);
  if (!names) return out;
  for (const auto& name : *names) {
    struct stat info {};
    if (::lstat((dir / name).c_str(), &info) != 0) continue;
    *out.used += static_cast<std::uint64_t>(info.st_blocks) * 512;
    *out.inodes_used += 1;
  }
  return out;
}

std::string join_path(const std::string& parent, const std::string& child) {
  return parent + (parent.ends_with('/') ? "" : "/") + child;
}

ContainerSample read_container(const NodeTarget& node, const ContainerTarget& target, const std::string& cgroup,
                               Detail detail, const Sample& sample) {
  ContainerSample out{target.name, target.id, target.image, target.started_at, {}, {}, {}};
  if (auto usage = read_cgroup(node.mount, cgroup, detail)) out.usage = std::move(*usage);
  if (detail == Detail::resource) return out;
  if (target.layer_bytes) {
    out.rootfs = sample.node.image_fs.value_or(FsUsage{});
    out.rootfs->used = target.layer_bytes;
    out.rootfs->inodes_used = target.layer_inodes;
  }
  if (!target.log_dir.empty()) out.logs = folder_usage(target.log_dir, sample.node.fs);
  return out;
}

PodSample read_pod(const NodeTarget& node, const PodTarget& target, Detail detail, const Sample& sample) {
  PodSample out{target.name, target.ns, target.uid, target.sandbox_id, target.started_at, {}, {}, {}, target.volumes};
  auto usage = read_cgroup(node.mount, target.cgroup, detail);
  if (!usage) return out;
  out.usage = std::move(*usage);
  const auto dir = dir_of(node.mount, "memory", target.cgroup);
  const auto listed = list_dir(dir);
  const auto children = listed ? *listed : std::vector<std::string>{};
  for (const auto& container : target.containers) {
    const auto child = find_container_cgroup(children, container.id);
    if (child.empty()) continue;
    out.containers.push_back(read_container(node, container, join_path(target.cgroup, child), detail, sample));
  }
  if (detail == Detail::resource) return out;
  // A pod's own cgroup holds no processes.
  for (const auto& c : out.containers) *out.usage.processes += c.usage.processes.value_or(0);
  const auto sandbox = find_container_cgroup(children, target.sandbox_id);
  if (sandbox.empty()) return out;
  const auto processes = slurp(dir / sandbox / "cgroup.procs");
  *out.usage.processes += count_lines(processes);
  if (target.host_network) return out;
  const auto pid = processes.substr(0, processes.find('\n'));
  if (!pid.empty()) out.interfaces = parse_net_dev(slurp(node.proc / pid / "net/dev"));
  return out;
}

// The machine's own sizes; /proc/meminfo is in KiB, and its keys end in a colon.
void read_machine(const NodeTarget& target, NodeSample& out) {
  const auto memory = parse_flat(slurp(target.proc / "meminfo"));
  const auto kib = [&](const char* key) {
    const auto found = memory.find(key);
    return found == memory.end() ? 0 : found->second * 1024;
  };
  out.memory_capacity = kib("MemTotal:");
  out.swap_capacity = kib("SwapTotal:");
  out.cores = std::thread::hardware_concurrency();
  const auto stat = parse_flat(slurp(target.proc / "stat"));
  if (const auto boot = stat.find("btime"); boot != stat.end()) {
    out.booted_at = SystemTime(Seconds(static_cast<std::int64_t>(boot->second)));
  }
  // The root of v2 has neither memory.current nor swap: what is in use comes from meminfo, as cAdvisor has it.
  if (target.mount.version == 2 && out.usage.memory) {
    auto& usage = *out.usage.memory;
    const auto inactive = kib("Inactive(file):");
    usage.usage = out.memory_capacity - kib("MemFree:");
    usage.working_set = usage.usage > inactive ? usage.usage - inactive : 0;
    usage.swap = out.swap_capacity - kib("SwapFree:");
  }
}

// How many tasks there may be, and are: /proc/loadavg has "running/all" as its fourth word.
std::optional<ProcessLimit> read_process_limit(const fs::path& proc) {
  const auto pids = parse_number(slurp(proc / "sys/kernel/pid_max"));
  const auto threads = parse_number(slurp(proc / "sys/kernel/threads-max"));
  const auto load = slurp(proc / "loadavg");
  const auto slash = load.find('/');
  if (!pids || slash == std::string::npos) return std::nullopt;
  const auto all = parse_number(load.substr(slash + 1, load.find(' ', slash) - slash - 1));
  return ProcessLimit{now(), std::min(*pids, threads.value_or(*pids)), all.value_or(0)};
}

}  // namespace

std::string find_container_cgroup(const std::vector<std::string>& children, const std::string& id) {
  if (id.empty()) return {};
  for (const auto& child : children) {
    if (child == id || child.ends_with("-" + id + ".scope")) return child;
  }
  return {};
}

std::optional<CgroupUsage> read_cgroup(const CgroupMount& mount, const std::string& path, Detail detail) {
  const auto dir = dir_of(mount, "memory", path);
  struct stat info {};
  if (::stat(dir.c_str(), &info) != 0) return std::nullopt;
  CgroupUsage out;
  out.path = path;
  if (mount.version == 1) {
    read_v1(mount, path, detail, out);
  } else {
    read_v2(dir, detail, out);
  }
  out.time = now();
  return out;
}

Sample take_sample(const NodeTarget& node, const std::vector<PodTarget>& pods, Detail detail) {
  Sample out;
  out.node.name = node.name;
  out.node.usage = read_cgroup(node.mount, "/", detail).value_or(CgroupUsage{});
  read_machine(node, out.node);
  if (detail == Detail::full) {
    out.node.fs = read_fs(node.fs);
    out.node.image_fs = read_fs(node.image_fs);
    if (out.node.image_fs && node.images_bytes) out.node.image_fs->used = node.images_bytes;
    if (out.node.image_fs && node.images_inodes) out.node.image_fs->inodes_used = node.images_inodes;
    out.node.interfaces = parse_net_dev(slurp(node.proc / "1/net/dev"));
    out.node.processes = read_process_limit(node.proc);
  }
  if (auto all = read_cgroup(node.mount, node.pods_cgroup, detail)) out.node.system.emplace("pods", std::move(*all));
  for (const auto& [name, cgroup] : node.system_cgroups) {
    if (auto usage = read_cgroup(node.mount, cgroup, detail)) out.node.system.emplace(name, std::move(*usage));
  }
  for (const auto& pod : pods) out.pods.push_back(read_pod(node, pod, detail, out));
  return out;
}

}  // namespace keelson::stats
