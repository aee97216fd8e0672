#include "agent/stats/cpu_rates.hpp"

namespace keelson::stats {

void CpuRates::apply(CgroupUsage& usage, std::map<std::string, Last>& next) {
  if (!usage.cpu) return;
  const auto before = last_.find(usage.path);
  Last now{usage.time, usage.cpu->usage_ns, std::nullopt};
  if (before != last_.end() && now.usage_ns >= before->second.usage_ns) {
    const auto& old = before->second;
    const auto elapsed = now.time - old.time;
    if (elapsed >= Nanoseconds(0) && elapsed < Seconds(1)) {
      now = old;
    } else if (elapsed > Nanoseconds(0)) {
      const double used = static_cast<double>(now.usage_ns - old.usage_ns);
      now.rate = static_cast<std::uint64_t>(used * 1e9 / static_cast<double>(elapsed.count()));
    }
  }
  usage.cpu->nano_cores = now.rate;
  next.insert_or_assign(usage.path, now);
}

void CpuRates::apply(Sample& sample) {
  std::map<std::string, Last> next;
  apply(sample.node.usage, next);
  for (auto& [name, usage] : sample.node.system) apply(usage, next);
  for (auto& pod : sample.pods) {
    apply(pod.usage, next);
    for (auto& container : pod.containers) apply(container.usage, next);
  }
  last_ = std::move(next);
}

}  // namespace keelson::stats
