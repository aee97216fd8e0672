// usageNanoCores: how much CPU was used between two samples. Keeps what the sample before said; asks nobody.
#pragma once

#include "agent/stats/sample.hpp"

namespace keelson::stats {

class CpuRates {
 public:
  // Sets nano_cores in the sample: the rate since the last sample that is at least a second older; the rate of then for
  // samples that follow sooner; nothing at the first. Forgets cgroups that are not in the sample.
  void apply(Sample& sample);

 private:
  struct Last {
    SystemTime time{};
    std::uint64_t usage_ns = 0;
    std::optional<std::uint64_t> rate;
  };
  void apply(CgroupUsage& usage, std::map<std::string, Last>& next);
  std::map<std::string, Last> last_;  // by the cgroup's path
};

}  // namespace keelson::stats
