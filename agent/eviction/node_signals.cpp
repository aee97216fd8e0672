#include "agent/eviction/node_signals.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <charconv>

#include "agent/stats/cgroup_files.hpp"
#include "agent/stats/reader.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

namespace fs = std::filesystem;
using kube::Quantity;

std::string slurp(const fs::path& path) {
  auto text = read_file(path);
  return text ? std::move(*text) : std::string();
}

Quantity bytes(std::uint64_t n) { return Quantity::of(static_cast<std::int64_t>(n), Quantity::Format::binary_si); }

std::uint64_t less(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

void add_memory(const SignalPaths& paths, NodeSignals& out) {
  stats::NodeTarget target;
  target.mount = paths.mount;
  target.proc = paths.proc;
  target.pods_cgroup = paths.pods_cgroup;
  const auto sample = stats::take_sample(target, {}, stats::Detail::resource);
  const auto& node = sample.node;
  if (node.usage.memory && node.memory_capacity > 0) {
    out.observations[Signal::memory_available] = {bytes(less(node.memory_capacity, node.usage.memory->working_set)),
                                                  bytes(node.memory_capacity)};
    out.inactive_file = less(node.usage.memory->usage, node.usage.memory->working_set);
  }
  const auto pods = stats::read_cgroup(paths.mount, paths.pods_cgroup, stats::Detail::full);
  if (!pods || !pods->memory || !pods->memory->limit) return;
  const auto limit = *pods->memory->limit;
  out.observations[Signal::allocatable_memory_available] = {bytes(less(limit, pods->memory->working_set)),
                                                            bytes(limit)};
  out.pods_inactive = less(pods->memory->usage, pods->memory->working_set);
}

void add_filesystem(const fs::path& path, Signal space, Signal inodes, NodeSignals& out) {
  struct statvfs info {};
  if (path.empty() || ::statvfs(path.c_str(), &info) != 0) return;
  out.observations[space] = {bytes(info.f_bavail * info.f_frsize), bytes(info.f_blocks * info.f_frsize)};
  if (info.f_files == 0) return;  // such as btrfs: inodes are not counted there
  out.observations[inodes] = {Quantity::of(static_cast<std::int64_t>(info.f_favail)),
                              Quantity::of(static_cast<std::int64_t>(info.f_files))};
}

bool same_filesystem(const fs::path& a, const fs::path& b) {
  struct stat x {
  }, y{};
  return ::stat(a.c_str(), &x) == 0 && ::stat(b.c_str(), &y) == 0 && x.st_dev == y.st_dev;
}

void add_pids(const SignalPaths& paths, NodeSignals& out) {
  const auto tasks = tasks_of_loadavg(slurp(paths.proc / "loadavg"));
  auto limit = stats::parse_number(slurp(paths.proc / "sys/kernel/pid_max"));
  const auto threads = stats::parse_number(slurp(paths.proc / "sys/kernel/threads-max"));
  if (threads && (!limit || *threads < *limit)) limit = threads;
  if (!tasks || !limit) return;
  out.observations[Signal::pid_available] = {
      Quantity::of(static_cast<std::int64_t>(less(*limit, static_cast<std::uint64_t>(*tasks)))),
      Quantity::of(static_cast<std::int64_t>(*limit))};
}

}  // namespace

std::optional<std::int64_t> tasks_of_loadavg(std::string_view text) {
  const auto words = split(trim(text), ' ');
  if (words.size() < 4) return std::nullopt;
  const auto slash = words[3].find('/');
  if (slash == std::string::npos) return std::nullopt;
  std::int64_t tasks = 0;
  const auto* end = words[3].data() + words[3].size();
  const auto [stop, ec] = std::from_chars(words[3].data() + slash + 1, end, tasks);
  return ec == std::errc() && stop == end ? std::optional(tasks) : std::nullopt;
}

NodeSignals read_signals(const SignalPaths& paths) {
  NodeSignals out;
  add_memory(paths, out);
  add_filesystem(paths.nodefs, Signal::nodefs_available, Signal::nodefs_inodes_free, out);
  add_filesystem(paths.imagefs, Signal::imagefs_available, Signal::imagefs_inodes_free, out);
  out.one_disk = paths.imagefs.empty() || same_filesystem(paths.nodefs, paths.imagefs);
  add_pids(paths, out);
  return out;
}

}  // namespace keelson::agent
