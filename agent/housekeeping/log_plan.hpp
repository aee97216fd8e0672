// The decisions of log rotation, as pure functions: what becomes of the files beside an active log, and when to look at
// the log again. Names and numbers after upstream's pkg/kubelet/logs/container_log_manager.go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/chrono.hpp"

namespace keelson::agent {

// containerLogMaxSize, containerLogMaxFiles, containerLogMonitorInterval.
struct LogPolicy {
  std::int64_t max_size = 10 << 20;  // bytes
  std::int64_t max_files = 5;        // the active one included; at least 2
  // The longest time between two looks at a log that is being written to. Upstream's is 10 s; a look is one stat(2)
  // here, and a log that nobody writes to is not looked at, so a second costs nothing worth telling.
  Nanoseconds monitor = Seconds(1);
};

// What to do with the files of one log, before and after the active one is renamed. All are names, without the folder.
struct RotationPlan {
  std::vector<std::string> remove;    // left-overs, and the oldest beyond the limit
  std::string rotated;                // what the active log is renamed to: "0.log.20261121-165522"
  std::vector<std::string> compress;  // each becomes NAME.gz
  bool operator==(const RotationPlan&) const = default;
};

// `names`: what the folder holds. After the plan there are at most `max_files` files of this log. A rotated file is
// compressed at a later rotation, once it is older than `settle`: of a log that rotates many times a second the files
// are removed before compressing them could be worth it. Upstream compresses at the next rotation in any case. Times in
// names are UTC; a second rotation within one second gets "-01" at its end.
[[nodiscard]] RotationPlan plan_rotation(const std::string& active, const std::vector<std::string>& names,
                                         std::int64_t max_files, SystemTime now, Nanoseconds settle);

// Every file of that log among `names`: the active one and the rotated ones.
[[nodiscard]] std::vector<std::string> files_of_log(const std::string& active, const std::vector<std::string>& names);

// When to look again at a log of `size` bytes which grew by `grown` during `elapsed`: well before it is full at that
// rate, at the latest after policy.monitor.
[[nodiscard]] Nanoseconds next_look(std::int64_t size, std::int64_t grown, Nanoseconds elapsed,
                                    const LogPolicy& policy);

}  // namespace keelson::agent
