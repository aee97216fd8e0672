#include "agent/eviction/thresholds.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace keelson::agent {
namespace {

struct Row {
  Signal signal;
  std::string_view name, resource, condition;
};

constexpr std::array<Row, 7> kSignals = {{
    {Signal::memory_available, "memory.available", "memory", "MemoryPressure"},
    {Signal::allocatable_memory_available, "allocatableMemory.available", "memory", "MemoryPressure"},
    {Signal::nodefs_available, "nodefs.available", "ephemeral-storage", "DiskPressure"},
    {Signal::nodefs_inodes_free, "nodefs.inodesFree", "inodes", "DiskPressure"},
    {Signal::imagefs_available, "imagefs.available", "ephemeral-storage", "DiskPressure"},
    {Signal::imagefs_inodes_free, "imagefs.inodesFree", "inodes", "DiskPressure"},
    {Signal::pid_available, "pid.available", "pids", "PIDPressure"},
}};

const Row& row(Signal signal) { return kSignals[static_cast<std::size_t>(signal)]; }

// Nothing for the signals that follow from others.
Result<std::optional<Signal>> parse_signal(const std::string& name, const std::string& where) {
  if (name == "containerfs.available" || name == "containerfs.inodesFree") return std::optional<Signal>();
  for (const auto& r : kSignals) {
    if (r.name == name && r.signal != Signal::allocatable_memory_available) return std::optional(r.signal);
  }
  return make_error(Errc::invalid_argument, where + ": unknown signal \"" + name + "\"");
}

std::string field(const char* name, const std::string& signal) { return std::string(name) + "[" + signal + "]"; }

// Nothing where the value switches the signal off.
Result<std::optional<EvictionThreshold>> parse_value(const std::string& text, const std::string& where) {
  auto value = parse_eviction_threshold(text);
  if (!value) return value.error().context(where);
  if (value->share && (*value->share <= 0 || *value->share >= 1)) return std::optional<EvictionThreshold>();
  if (!value->share && value->amount.sign() <= 0) {
    return make_error(Errc::invalid_argument, where + ": \"" + text + "\" must be above zero");
  }
  return std::optional(*value);
}

// "1m30s", as Go writes durations.
Result<Nanoseconds> parse_duration(const std::string& text, const std::string& where) {
  static const std::map<std::string, double> kUnits = {{"h", 3600e9}, {"m", 60e9}, {"s", 1e9}, {"ms", 1e6}};
  double total = 0;
  const char* at = text.c_str();
  while (*at != '\0') {
    char* end = nullptr;
    const double number = std::strtod(at, &end);
    const std::string rest(end);
    const auto unit = kUnits.find(rest.substr(0, rest.find_first_of("0123456789.")));
    if (end == at || number < 0 || unit == kUnits.end()) {
      return make_error(Errc::invalid_argument, where + ": \"" + text + "\" is no duration such as \"1m30s\"");
    }
    total += number * unit->second;
    at = end + unit->first.size();
  }
  return Nanoseconds(static_cast<std::int64_t>(total));
}

struct Parser {
  const ThresholdConfig& config;
  std::vector<Threshold> out{};

  Result<void> add(const kube::StringMap& values, const char* name, bool soft) {
    for (const auto& [key, text] : values) {
      TRY(const auto signal, parse_signal(key, name));
      TRY(const auto value, parse_value(text, field(name, key)));
      if (!signal || !value) continue;
      Threshold threshold{*signal, *value, {}, {}};
      if (soft) {
        const auto grace = config.soft_grace_period.find(key);
        if (grace == config.soft_grace_period.end()) {
          return make_error(Errc::invalid_argument, field("evictionSoft", key) + ": a soft threshold needs " +
                                                        field("evictionSoftGracePeriod", key));
        }
        TRY(threshold.grace, parse_duration(grace->second, field("evictionSoftGracePeriod", key)));
        // One of no grace would count as hard.
        threshold.grace = std::max<Nanoseconds>(threshold.grace, Nanoseconds(1));
      }
      if (const auto reclaim = config.minimum_reclaim.find(key); reclaim != config.minimum_reclaim.end()) {
        TRY(threshold.minimum_reclaim, parse_value(reclaim->second, field("evictionMinimumReclaim", key)));
      }
      out.push_back(threshold);
    }
    return {};
  }
};

kube::Quantity wanted(const Threshold& threshold, const Observation& seen, bool reclaiming) {
  auto amount = threshold.value.of(seen.capacity);
  if (reclaiming && threshold.minimum_reclaim) amount += threshold.minimum_reclaim->of(seen.capacity);
  return amount;
}

}  // namespace

std::string_view to_string(Signal signal) { return row(signal).name; }
std::string_view resource_of(Signal signal) { return row(signal).resource; }
std::string_view condition_of(Signal signal) { return row(signal).condition; }
bool is_memory(Signal signal) { return row(signal).condition == "MemoryPressure"; }
bool is_disk(Signal signal) { return row(signal).condition == "DiskPressure"; }

Result<std::vector<Threshold>> parse_thresholds(const ThresholdConfig& config) {
  Parser parser{config};
  CHECK_OK(parser.add(config.hard, "evictionHard", false));
  for (const auto& [key, text] : config.minimum_reclaim) {
    CHECK_OK(parse_signal(key, "evictionMinimumReclaim"));
    CHECK_OK(parse_value(text, field("evictionMinimumReclaim", key)));
  }
  if (config.enforce_allocatable) {
    const auto memory = std::find_if(parser.out.begin(), parser.out.end(),
                                     [](const Threshold& t) { return t.signal == Signal::memory_available; });
    if (memory != parser.out.end()) {
      Threshold of_pods = *memory;
      of_pods.signal = Signal::allocatable_memory_available;
      parser.out.push_back(of_pods);
    }
  }
  CHECK_OK(parser.add(config.soft, "evictionSoft", true));
  return std::move(parser.out);
}

std::vector<Threshold> thresholds_met(const std::vector<Threshold>& thresholds, const Observations& observations,
                                      bool reclaiming) {
  std::vector<Threshold> out;
  for (const auto& threshold : thresholds) {
    const auto seen = observations.find(threshold.signal);
    if (seen == observations.end()) continue;
    if (wanted(threshold, seen->second, reclaiming) > seen->second.available) out.push_back(threshold);
  }
  return out;
}

Nanoseconds next_observation(const std::vector<Threshold>& thresholds, const Observations& observations) {
  double least = 1;  // of the capacity, above a threshold
  for (const auto& threshold : thresholds) {
    const auto seen = observations.find(threshold.signal);
    if (seen == observations.end() || seen->second.capacity.sign() <= 0) continue;
    const auto left = seen->second.available - wanted(threshold, seen->second, true);
    least = std::min(least, static_cast<double>(left.value()) / static_cast<double>(seen->second.capacity.value()));
  }
  if (least > 0.25) return std::chrono::seconds(60);
  if (least > 0.10) return std::chrono::seconds(20);
  if (least > 0.03) return std::chrono::seconds(5);
  return std::chrono::seconds(2);
}

}  // namespace keelson::agent
