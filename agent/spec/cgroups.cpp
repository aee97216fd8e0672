#include "agent/spec/cgroups.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <set>
#include <thread>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "base/unique_fd.hpp"

namespace keelson::spec {
namespace {

namespace fs = std::filesystem;

constexpr int kRemoveAttempts = 6;
constexpr std::chrono::milliseconds kFirstPause{10};  // doubled each time: 310 ms in all
constexpr std::int64_t kHugePagesUnlimited = std::int64_t{1} << 62;
constexpr std::array<std::string_view, 5> kControllers = {"cpu", "cpuset", "memory", "hugetlb", "pids"};

// One write(2) per value: cgroup files take each write as one command.
Result<void> write_value(const fs::path& file, const std::string& value) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) {
    const int err = errno;
    std::error_code ignored;
    // cgroupfs refuses to make files: one that is missing belongs to a controller that is not enabled there.
    if (!fs::exists(file, ignored)) {
      return make_error(Errc::failed_precondition, file.string() + ": no such file, its controller is not enabled");
    }
    return errno_error(err, "open " + file.string());
  }
  if (::write(fd.get(), value.data(), value.size()) < 0) {
    return errno_error(errno, "write \"" + value + "\" to " + file.string());
  }
  return {};
}

Result<void> make_dir(const fs::path& dir) {
  if (::mkdir(dir.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return errno_error(errno, "mkdir " + dir.string());
}

std::string read_line(const fs::path& file) {
  const auto text = read_file(file);
  return text ? std::string(trim(*text)) : std::string();
}

// On v1 a new cpuset has no CPUs and no memory nodes, and nothing can run in it before it has both.
Result<void> inherit_cpuset(const fs::path& dir) {
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    if (!read_line(dir / file).empty()) continue;
    if (const auto inherited = read_line(dir.parent_path() / file); !inherited.empty()) {
      CHECK_OK(write_value(dir / file, inherited));
    }
  }
  return {};
}

// Lets `dir`'s children use the controllers that `dir` has.
Result<void> enable_controllers(const fs::path& dir) {
  std::set<std::string> available;
  for (auto& name : split(read_line(dir / "cgroup.controllers"), ' ')) available.insert(std::move(name));
  std::set<std::string> enabled;
  for (auto& name : split(read_line(dir / "cgroup.subtree_control"), ' ')) enabled.insert(std::move(name));
  std::string wanted;
  for (const auto name : kControllers) {
    const std::string controller(name);
    if (!available.contains(controller) || enabled.contains(controller)) continue;
    wanted += (wanted.empty() ? "+" : " +") + controller;
  }
  if (wanted.empty()) return {};
  return write_value(dir / "cgroup.subtree_control", wanted);
}

bool has_controller(std::string_view controllers, std::string_view name) {
  const auto list = split(controllers, ',');
  return std::find(list.begin(), list.end(), name) != list.end();
}

// Quota and period must fit each other and the parent's at every moment: where the one order is refused, the other
// is not.
Result<void> write_cpu_limit_v1(const fs::path& dir, std::int64_t quota, std::int64_t period) {
  const auto set_period = [&] { return write_value(dir / "cpu.cfs_period_us", std::to_string(period)); };
  const auto set_quota = [&] { return write_value(dir / "cpu.cfs_quota_us", std::to_string(quota)); };
  if (period > 0 && !set_period()) {
    CHECK_OK(set_quota());
    return set_period();
  }
  return set_quota();
}

std::vector<fs::path> tree_of(const fs::path& dir) {
  std::vector<fs::path> out;
  std::error_code ec;
  if (!fs::is_directory(dir, ec)) return out;
  out.push_back(dir);
  for (fs::recursive_directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec)) {
    std::error_code ignored;
    if (it->is_directory(ignored) && !it->is_symlink(ignored)) out.push_back(it->path());
  }
  return out;
}

void add_pids(const fs::path& dir, std::set<pid_t>& pids) {
  const auto text = read_file(dir / "cgroup.procs");
  if (!text) return;
  for (const auto& line : split(*text, '\n')) {
    pid_t pid = 0;
    // 0 stands for a process of another PID namespace; kill(0) would hit our own group.
    const auto got = std::from_chars(line.data(), line.data() + line.size(), pid);
    if (got.ec == std::errc() && pid > 1) pids.insert(pid);
  }
}

// Children first. The last errno that stands in the way, or 0.
int remove_dirs(const fs::path& dir) {
  auto dirs = tree_of(dir);
  int last = 0;
  for (auto it = dirs.rbegin(); it != dirs.rend(); ++it) {
    if (::rmdir(it->c_str()) != 0 && errno != ENOENT) last = errno;
  }
  return last;
}

}  // namespace

Cgroups::Cgroups(fs::path mount, int version, CgroupDriver driver, std::string cgroup_root)
    : mount_(std::move(mount)), version_(version), driver_(driver), cgroup_root_(std::move(cgroup_root)) {}

Cgroups::Cgroups(const NodeFacts& node)
    : Cgroups(node.cgroup_mount, node.cgroup_version, node.cgroup_driver, node.cgroup_root) {}

// v1: the folders below the mount that are not links ("cpu" may be a link to "cpu,cpuacct"). The unified hierarchy of a
// hybrid node is the runtimes' own affair, but what they leave there is removed with the rest.
std::vector<Cgroups::Hierarchy> Cgroups::hierarchies() const {
  if (version_ == 2) return {{mount_, {}, true}};
  std::vector<Hierarchy> out;
  const auto names = list_dir(mount_);
  if (!names) return out;
  for (const auto& name : *names) {
    std::error_code ignored;
    if (fs::is_symlink(mount_ / name, ignored) || !fs::is_directory(mount_ / name, ignored)) continue;
    out.push_back({mount_ / name, name, name != "unified"});
  }
  return out;
}

fs::path Cgroups::dir_in(const Hierarchy& hierarchy, const CgroupName& name) const {
  return hierarchy.dir / cgroup_path(name, driver_).substr(1);
}

bool Cgroups::exists(const CgroupName& name) const {
  const auto all = hierarchies();
  std::error_code ignored;
  return !all.empty() && std::all_of(all.begin(), all.end(), [&](const Hierarchy& hierarchy) {
    return !hierarchy.create || fs::is_directory(dir_in(hierarchy, name), ignored);
  });
}

Result<void> Cgroups::make_in(const Hierarchy& hierarchy, const CgroupName& name) {
  fs::path dir = hierarchy.dir;
  for (const auto& part : name) {
    if (version_ == 2) CHECK_OK(enable_controllers(dir));
    dir /= part;
    CHECK_OK(make_dir(dir));
    if (version_ == 1 && has_controller(hierarchy.controllers, "cpuset")) CHECK_OK(inherit_cpuset(dir));
  }
  // Containers are made below: they need the controllers too.
  return version_ == 2 ? enable_controllers(dir) : Result<void>();
}

Result<void> Cgroups::make(const CgroupName& name) {
  if (driver_ == CgroupDriver::systemd) return {};
  for (const auto& hierarchy : hierarchies()) {
    if (hierarchy.create) CHECK_OK(make_in(hierarchy, name));
  }
  return {};
}

Result<void> Cgroups::write_v1(const Hierarchy& hierarchy, const fs::path& dir, const CgroupResources& resources) {
  const auto has = [&](std::string_view name) { return has_controller(hierarchy.controllers, name); };
  if (has("cpu")) {
    if (resources.cpu_shares) CHECK_OK(write_value(dir / "cpu.shares", std::to_string(*resources.cpu_shares)));
    if (const auto quota = resources.cpu_quota_us.value_or(0); quota != 0) {
      CHECK_OK(write_cpu_limit_v1(dir, quota, resources.cpu_period_us.value_or(0)));
    }
  }
  if (has("memory") && resources.memory_bytes.value_or(0) != 0) {
    CHECK_OK(write_value(dir / "memory.limit_in_bytes", std::to_string(*resources.memory_bytes)));
  }
  if (has("pids") && resources.pids) CHECK_OK(write_value(dir / "pids.max", std::to_string(*resources.pids)));
  if (has("hugetlb")) {
    for (const auto& [size, bytes] : resources.hugepage_bytes) {
      CHECK_OK(write_value(dir / ("hugetlb." + size + ".limit_in_bytes"), std::to_string(bytes)));
    }
  }
  return {};
}

Result<void> Cgroups::write_v2(const fs::path& dir, const CgroupResources& resources) {
  if (resources.cpu_shares) {
    CHECK_OK(write_value(dir / "cpu.weight", std::to_string(cpu_weight(*resources.cpu_shares))));
  }
  if (const auto quota = resources.cpu_quota_us.value_or(0); quota != 0) {
    auto value = quota < 0 ? std::string("max") : std::to_string(quota);
    if (resources.cpu_period_us) value += ' ' + std::to_string(*resources.cpu_period_us);
    CHECK_OK(write_value(dir / "cpu.max", value));
  }
  if (const auto bytes = resources.memory_bytes.value_or(0); bytes != 0) {
    CHECK_OK(write_value(dir / "memory.max", bytes < 0 ? "max" : std::to_string(bytes)));
  }
  if (resources.pids) CHECK_OK(write_value(dir / "pids.max", std::to_string(*resources.pids)));
  const auto available = split(read_line(mount_ / "cgroup.controllers"), ' ');
  if (std::find(available.begin(), available.end(), "hugetlb") == available.end()) return {};
  for (const auto& [size, bytes] : resources.hugepage_bytes) {
    CHECK_OK(write_value(dir / ("hugetlb." + size + ".max"), std::to_string(bytes)));
  }
  return {};
}

Result<void> Cgroups::apply(const CgroupName& name, const CgroupResources& resources) {
  bool found = false;
  for (const auto& hierarchy : hierarchies()) {
    const auto dir = dir_in(hierarchy, name);
    std::error_code ignored;
    if (!hierarchy.create || !fs::is_directory(dir, ignored)) continue;
    CHECK_OK(version_ == 2 ? write_v2(dir, resources) : write_v1(hierarchy, dir, resources));
    found = true;
  }
  if (found) return {};
  return make_error(Errc::not_found, "cgroup " + cgroup_path(name, driver_) + " does not exist");
}

Result<void> Cgroups::ensure_qos(const std::vector<std::string>& hugepage_sizes) {
  if (driver_ == CgroupDriver::systemd) return {};
  CgroupResources tier;
  for (const auto& size : hugepage_sizes) tier.hugepage_bytes[size] = kHugePagesUnlimited;
  for (const auto qos : {Qos::guaranteed, Qos::burstable, Qos::best_effort}) {
    const auto name = qos_cgroup(cgroup_root_, qos);
    CHECK_OK(make(name));
    if (qos == Qos::guaranteed) continue;  // kubepods itself: its limits are node allocatable's
    if (qos == Qos::best_effort) tier.cpu_shares = kMinShares;
    CHECK_OK(apply(name, tier));
  }
  return {};
}

Result<void> Cgroups::set_burstable_requests(std::int64_t milli_cpu) {
  const auto name = qos_cgroup(cgroup_root_, Qos::burstable);
  if (driver_ == CgroupDriver::systemd && !exists(name)) return {};
  CgroupResources resources;
  resources.cpu_shares = cpu_shares(milli_cpu);
  return apply(name, resources);
}

Result<void> Cgroups::ensure_pod(const CgroupName& name, const CgroupResources& resources) {
  if (driver_ == CgroupDriver::systemd) return {};
  CHECK_OK(make(name));
  return apply(name, resources);
}

Result<int> Cgroups::kill_all(const CgroupName& name) {
  std::set<pid_t> pids;
  for (const auto& hierarchy : hierarchies()) {
    for (const auto& dir : tree_of(dir_in(hierarchy, name))) add_pids(dir, pids);
  }
  for (const pid_t pid : pids) {
    if (::kill(pid, SIGKILL) != 0 && errno != ESRCH) {
      return errno_error(errno, "kill process " + std::to_string(pid) + " of cgroup " + cgroup_path(name, driver_));
    }
  }
  return static_cast<int>(pids.size());
}

Result<void> Cgroups::remove_pod(const CgroupName& name) {
  auto pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    CHECK_OK(kill_all(name));  // again each time: what forked meanwhile is caught now
    int last = 0;
    for (const auto& hierarchy : hierarchies()) {
      if (const int err = remove_dirs(dir_in(hierarchy, name)); err != 0) last = err;
    }
    if (last == 0) return {};
    if (attempt == kRemoveAttempts) {
      return make_error(Errc::unavailable, "remove cgroup " + cgroup_path(name, driver_) + ": " + std::strerror(last));
    }
    std::this_thread::sleep_for(pause);  // the kernel needs a moment to let go of killed processes
    pause *= 2;
  }
}

Result<std::vector<PodCgroup>> Cgroups::list_pods() const {
  std::map<std::string, CgroupName> found;
  for (const auto& hierarchy : hierarchies()) {
    for (const auto qos : {Qos::guaranteed, Qos::burstable, Qos::best_effort}) {
      const auto parent = qos_cgroup(cgroup_root_, qos);
      const auto dir = dir_in(hierarchy, parent);
      std::error_code ignored;
      if (!fs::is_directory(dir, ignored)) continue;
      TRY(const auto entries, list_dir(dir));
      for (const auto& entry : entries) {
        const auto uid = pod_uid_of_cgroup(entry, driver_);
        if (!uid || !fs::is_directory(dir / entry, ignored)) continue;
        found.emplace(*uid, pod_cgroup(cgroup_root_, qos, *uid));
      }
    }
  }
  std::vector<PodCgroup> out;
  for (auto& [uid, name] : found) out.push_back({uid, std::move(name)});
  return out;
}

}  // namespace keelson::spec
