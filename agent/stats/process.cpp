#include "agent/stats/process.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>

#include "base/files.hpp"

namespace keelson::stats {
namespace {

// Fields of /proc/self/stat by their numbers in proc(5), from 3 on: the second may hold spaces.
std::vector<std::string> stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream rest(line.substr(std::min(line.rfind(')') + 1, line.size())));
  std::vector<std::string> out(3);
  for (std::string word; rest >> word;) out.push_back(word);
  return out;
}

double boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("btime ")) return std::stod(line.substr(6));
  }
  return 0;
}

}  // namespace

void add_process_metrics(MetricText& out) {
  const auto fields = stat_fields();
  if (fields.size() > 24) {
    const double hz = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const double page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    out.single("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
               (std::stod(fields[14]) + std::stod(fields[15])) / hz);
    out.single("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
               boot_time() + std::stod(fields[22]) / hz);
    out.single("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", std::stod(fields[23]));
    out.single("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
               std::stod(fields[24]) * page);
  }
  if (const auto open = list_dir("/proc/self/fd")) {
    out.single("process_open_fds", "gauge", "Number of open file descriptors.", static_cast<double>(open->size()));
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    out.single("process_max_fds", "gauge", "Maximum number of open file descriptors.",
               static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace keelson::stats
