#include "agent/stats/cgroup_files.hpp"

#include <algorithm>
#include <charconv>

#include "base/strings.hpp"

namespace keelson::stats {
namespace {

using Flat = std::map<std::string, std::uint64_t, std::less<>>;

std::uint64_t get(const Flat& values, std::string_view key) {
  const auto found = values.find(key);
  return found == values.end() ? 0 : found->second;
}

// The words of a line, taken from its front.
std::string_view take_word(std::string_view& line) {
  const auto start = line.find_first_not_of(" \t");
  if (start == std::string_view::npos) return line = {};
  line.remove_prefix(start);
  const auto end = std::min(line.find_first_of(" \t"), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

std::string_view take_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

template <class T>
T number(std::string_view text) {
  T out{};
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

void set_working_set(MemoryUsage& memory, std::uint64_t inactive_file) {
  memory.inactive_file = inactive_file;
  memory.working_set = memory.usage > inactive_file ? memory.usage - inactive_file : 0;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  text = trim(text);
  std::uint64_t out = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (ec != std::errc() || end != text.data() + text.size() || out >= (std::uint64_t{1} << 62)) return std::nullopt;
  return out;
}

Flat parse_flat(std::string_view text) {
  Flat out;
  while (!text.empty()) {
    auto line = take_line(text);
    const auto key = take_word(line);
    if (!key.empty()) out.emplace(key, number<std::uint64_t>(take_word(line)));
  }
  return out;
}

CpuUsage parse_cpu_v2(std::string_view cpu_stat) {
  const auto values = parse_flat(cpu_stat);
  CpuUsage out;
  out.usage_ns = get(values, "usage_usec") * 1000;
  out.user_ns = get(values, "user_usec") * 1000;
  out.system_ns = get(values, "system_usec") * 1000;
  out.periods = get(values, "nr_periods");
  out.throttled_periods = get(values, "nr_throttled");
  out.throttled_ns = get(values, "throttled_usec") * 1000;
  return out;
}

CpuUsage parse_cpu_v1(std::string_view usage, std::string_view cpuacct_stat, std::string_view cpu_stat,
                      std::uint64_t hz) {
  const auto ticks = parse_flat(cpuacct_stat), throttling = parse_flat(cpu_stat);
  CpuUsage out;
  out.usage_ns = parse_number(usage).value_or(0);
  out.user_ns = get(ticks, "user") * (1'000'000'000 / hz);
  out.system_ns = get(ticks, "system") * (1'000'000'000 / hz);
  out.periods = get(throttling, "nr_periods");
  out.throttled_periods = get(throttling, "nr_throttled");
  out.throttled_ns = get(throttling, "throttled_time");
  return out;
}

MemoryUsage parse_memory_v2(std::string_view memory_stat, std::string_view current) {
  const auto values = parse_flat(memory_stat);
  MemoryUsage out;
  out.rss = get(values, "anon");
  out.cache = get(values, "file");
  out.usage = parse_number(current).value_or(out.rss + out.cache);
  out.mapped_file = get(values, "file_mapped");
  out.page_faults = get(values, "pgfault");
  out.major_page_faults = get(values, "pgmajfault");
  out.active_file = get(values, "active_file");
  out.kernel = get(values, "kernel");
  set_working_set(out, get(values, "inactive_file"));
  return out;
}

MemoryUsage parse_memory_v1(std::string_view memory_stat, std::string_view usage) {
  const auto values = parse_flat(memory_stat);
  MemoryUsage out;
  out.usage = parse_number(usage).value_or(0);
  out.rss = get(values, "total_rss");
  out.cache = get(values, "total_cache");
  out.mapped_file = get(values, "total_mapped_file");
  out.page_faults = get(values, "total_pgfault");
  out.major_page_faults = get(values, "total_pgmajfault");
  out.active_file = get(values, "total_active_file");
  if (values.count("total_swap") != 0) out.swap = get(values, "total_swap");
  set_working_set(out, get(values, "total_inactive_file"));
  return out;
}

DeviceIo parse_io_v2(std::string_view io_stat) {
  DeviceIo out;
  while (!io_stat.empty()) {
    auto line = take_line(io_stat);
    const auto device = take_word(line);
    if (device.empty()) continue;
    auto& io = out[std::string(device)];
    for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
      const auto equals = word.find('=');
      if (equals == std::string_view::npos) continue;
      const auto key = word.substr(0, equals);
      const auto value = number<std::uint64_t>(word.substr(equals + 1));
      if (key == "rbytes") io.read_bytes += value;
      if (key == "wbytes") io.written_bytes += value;
      if (key == "rios") io.reads += value;
      if (key == "wios") io.writes += value;
    }
  }
  return out;
}

DeviceIo parse_io_v1(std::string_view bytes, std::string_view operations) {
  DeviceIo out;
  const auto add = [&out](std::string_view text, std::uint64_t IoUsage::*reads, std::uint64_t IoUsage::*writes) {
    while (!text.empty()) {
      auto line = take_line(text);
      const std::string device(take_word(line));
      const auto kind = take_word(line);
      const auto value = number<std::uint64_t>(take_word(line));
      if (kind == "Read") out[device].*reads += value;
      if (kind == "Write") out[device].*writes += value;
    }
  };
  add(bytes, &IoUsage::read_bytes, &IoUsage::written_bytes);
  add(operations, &IoUsage::reads, &IoUsage::writes);
  return out;
}

CpuSpec parse_cpu_spec_v2(std::string_view weight, std::string_view cpu_max) {
  CpuSpec out;
  if (const auto w = parse_number(weight); w && *w > 0) out.shares = 2 + (*w - 1) * 262142 / 9999;
  out.quota_us = parse_number(take_word(cpu_max));
  out.period_us = parse_number(take_word(cpu_max)).value_or(0);
  return out;
}

CpuSpec parse_cpu_spec_v1(std::string_view shares, std::string_view quota, std::string_view period) {
  return {parse_number(shares).value_or(0), parse_number(period).value_or(0), parse_number(quota)};
}

std::map<std::string, std::string> parse_mount_sources(std::string_view mountinfo) {
  std::map<std::string, std::string> out;
  while (!mountinfo.empty()) {
    auto line = take_line(mountinfo);
    take_word(line);  // mount ID
    take_word(line);  // its parent
    std::string device(take_word(line));
    // The optional fields before the dash vary in number; after it: type, source, options.
    const auto dash = line.find(" - ");
    if (device.empty() || dash == std::string_view::npos) continue;
    line.remove_prefix(dash + 3);
    take_word(line);
    out.emplace(std::move(device), take_word(line));
  }
  return out;
}

std::string parse_own_cgroup(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto line = take_line(text);
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    if (controllers == "memory") return std::string(line.substr(second + 1));
    if (controllers.empty()) out = line.substr(second + 1);
  }
  return out;
}

std::optional<Pressure> parse_pressure(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Pressure out;
  while (!text.empty()) {
    auto line = take_line(text);
    auto& to = take_word(line) == "full" ? out.full : out.some;
    for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
      if (word.starts_with("avg10=")) to.avg10 = number<double>(word.substr(6));
      if (word.starts_with("avg60=")) to.avg60 = number<double>(word.substr(6));
      if (word.starts_with("avg300=")) to.avg300 = number<double>(word.substr(7));
      if (word.starts_with("total=")) to.total_us = number<std::uint64_t>(word.substr(6));
    }
  }
  return out;
}

std::vector<InterfaceUsage> parse_net_dev(std::string_view text) {
  std::vector<InterfaceUsage> out;
  while (!text.empty()) {
    auto line = take_line(text);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;  // the heading
    InterfaceUsage item;
    item.name = trim(line.substr(0, colon));
    line.remove_prefix(colon + 1);
    std::uint64_t columns[16] = {};
    for (auto& column : columns) column = number<std::uint64_t>(take_word(line));
    if (item.name == "lo") continue;
    item.rx_bytes = columns[0];
    item.rx_packets = columns[1];
    item.rx_errors = columns[2];
    item.rx_dropped = columns[3];
    item.tx_bytes = columns[8];
    item.tx_packets = columns[9];
    item.tx_errors = columns[10];
    item.tx_dropped = columns[11];
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace keelson::stats
