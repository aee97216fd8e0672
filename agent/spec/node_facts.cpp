#include "agent/spec/node_facts.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "agent/spec/qos.hpp"
#include "base/files.hpp"
#include "base/host_name.hpp"
#include "base/strings.hpp"

namespace keelson::spec {
namespace {

constexpr int kMaxPods = 110;

std::vector<std::string> words(std::string_view line) {
  std::istringstream in{std::string(line)};
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

// "MemTotal:  16384 kB" -> bytes.
Result<std::int64_t> meminfo_bytes(const std::string& meminfo, std::string_view field) {
  for (const auto& line : split(meminfo, '\n')) {
    const auto parts = words(line);
    if (parts.size() < 2 || parts[0] != std::string(field) + ':') continue;
    std::int64_t kib = 0;
    const auto end = parts[1].data() + parts[1].size();
    if (std::from_chars(parts[1].data(), end, kib).ptr == end) return kib * 1024;
  }
  return make_error(Errc::internal, "meminfo has no " + std::string(field));
}

// The CPUs of a list such as "0-3,8".
std::vector<int> parse_cpu_list(std::string_view text) {
  std::vector<int> cpus;
  for (const auto& range : split(trim(text), ',')) {
    int first = 0;
    const char* end = range.data() + range.size();
    const auto got = std::from_chars(range.data(), end, first);
    if (got.ec != std::errc()) continue;
    int last = first;
    if (got.ptr != end && *got.ptr == '-') std::from_chars(got.ptr + 1, end, last);
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

// An optional folder's names: huge pages and throttling exist on some machines only.
std::vector<std::string> names_in(const std::filesystem::path& dir) {
  auto names = list_dir(dir);
  return names ? std::move(*names) : std::vector<std::string>();
}

// hugepages-2048kB -> its bytes, or 0.
std::int64_t page_size_of(std::string_view folder) {
  constexpr std::string_view kPrefix = "hugepages-";
  if (!folder.starts_with(kPrefix)) return 0;
  folder.remove_prefix(kPrefix.size());
  std::int64_t kib = 0;
  const auto got = std::from_chars(folder.data(), folder.data() + folder.size(), kib);
  return got.ec == std::errc() ? kib * 1024 : 0;
}

void read_huge_pages(const NodeFactsSources& from, NodeFacts& node) {
  for (const auto& folder : names_in(from.sys / "kernel/mm/hugepages")) {
    const auto size = page_size_of(folder);
    if (size == 0) continue;
    const auto name = "hugepages-" + kube::Quantity::of(size, kube::Quantity::Format::binary_si).to_string();
    node.hugepage_sizes.push_back(hugepage_size_label(name));
    std::int64_t pages = 0;
    if (const auto text = read_file(from.sys / "kernel/mm/hugepages" / folder / "nr_hugepages")) {
      const auto digits = trim(*text);
      std::from_chars(digits.data(), digits.data() + digits.size(), pages);
    }
    node.allocatable[name] = kube::Quantity::of(size * pages, kube::Quantity::Format::binary_si);
  }
}

// memory.swap.max does not exist in the root cgroup, so v2 looks at the one this process is in.
bool swap_accounting(const NodeFactsSources& from, int cgroup_version) {
  std::error_code ignored;
  if (cgroup_version == 1) {
    return std::filesystem::exists(from.cgroup_mount / "memory/memory.memsw.limit_in_bytes", ignored);
  }
  const auto self = read_file(from.proc / "self/cgroup");
  if (!self) return false;
  for (const auto& line : split(*self, '\n')) {
    if (!line.starts_with("0::/")) continue;
    return std::filesystem::exists(from.cgroup_mount / line.substr(4) / "memory.swap.max", ignored);
  }
  return false;
}

Result<void> read_sizes(const NodeFactsSources& from, NodeFacts& node) {
  TRY(const auto online, read_file(from.sys / "devices/system/cpu/online"));
  node.cpu_millis = static_cast<std::int64_t>(parse_cpu_list(online).size()) * 1000;
  TRY(const auto meminfo, read_file(from.proc / "meminfo"));
  TRY(node.memory_bytes, meminfo_bytes(meminfo, "MemTotal"));
  TRY(node.swap_bytes, meminfo_bytes(meminfo, "SwapTotal"));
  struct statvfs disk {};
  auto dir = from.root_dir;  // it may not have been made yet: its nearest parent is on the same disk
  while (::statvfs(dir.c_str(), &disk) != 0) {
    if (!dir.has_relative_path()) return errno_error(errno, "statvfs " + from.root_dir.string());
    dir = dir.parent_path();
  }
  node.ephemeral_storage_bytes = static_cast<std::int64_t>(disk.f_blocks * disk.f_frsize);
  using Format = kube::Quantity::Format;
  node.allocatable["cpu"] = kube::Quantity::of_milli(node.cpu_millis);
  node.allocatable["memory"] = kube::Quantity::of(node.memory_bytes, Format::binary_si);
  node.allocatable["ephemeral-storage"] = kube::Quantity::of(node.ephemeral_storage_bytes, Format::binary_si);
  node.allocatable["pods"] = kube::Quantity::of(kMaxPods);
  return {};
}

}  // namespace

Result<ResolvConf> parse_resolv_conf(std::string_view text) {
  ResolvConf out;
  for (const auto& line : split(text, '\n')) {
    const auto fields = words(line);
    if (fields.empty() || fields[0].front() == '#' || fields[0].front() == ';') continue;
    if (fields[0] == "nameserver") {
      if (fields.size() < 2) return make_error(Errc::invalid_argument, "nameserver line without an address");
      out.nameservers.push_back(fields[1]);
    } else if (fields[0] == "search") {
      out.searches.clear();
      for (std::size_t i = 1; i < fields.size(); ++i) {
        auto domain = fields[i];
        if (domain.ends_with('.')) domain.pop_back();  // so that "a" and "a." count once against the limits
        out.searches.push_back(std::move(domain));
      }
    } else if (fields[0] == "options") {
      out.options.assign(fields.begin() + 1, fields.end());
    }
  }
  return out;
}

Result<NodeFacts> read_node_facts(const NodeFactsSources& from) {
  NodeFacts node;
  node.name = host_name();
  node.root_dir = from.root_dir;
  node.cgroup_mount = from.cgroup_mount;
  CHECK_OK(read_sizes(from, node));
  read_huge_pages(from, node);

  std::error_code ignored;
  // Only a v2 hierarchy has this file at its top; a hybrid node mounts one below, and is v1 to runtimes.
  node.cgroup_version = std::filesystem::exists(from.cgroup_mount / "cgroup.controllers", ignored) ? 2 : 1;
  node.swap_controller = swap_accounting(from, node.cgroup_version);

  if (!from.resolv_conf.empty()) {
    TRY(const auto text, read_file(from.resolv_conf));
    TRY(node.resolv_conf, with_context(parse_resolv_conf(text), from.resolv_conf.string()));
  }
  if (auto text = read_file(from.etc_hosts)) node.etc_hosts = std::move(*text);

  if (const auto possible = read_file(from.sys / "devices/system/cpu/possible")) {
    for (const int cpu : parse_cpu_list(*possible)) {
      const auto relative = "devices/system/cpu/cpu" + std::to_string(cpu) + "/thermal_throttle";
      if (std::filesystem::exists(from.sys / relative, ignored)) {
        node.thermal_throttle_paths.push_back("/sys/" + relative);
      }
    }
  }
  return node;
}

}  // namespace keelson::spec
