// Has the kernel tell when memory runs short, so that nobody has to look often: with cgroup v1 when a cgroup uses more
// than some amount (cgroup.event_control), with v2 when tasks are held up for want of memory (/proc/pressure/memory).
// Lives on the loop's thread.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "agent/stats/target.hpp"
#include "base/notifier.hpp"

namespace keelson::agent {

class PressureWatch {
 public:
  PressureWatch(const Executor& executor, stats::CgroupMount mount, std::filesystem::path proc = "/proc");

  // `limits`: bytes of usage, cache included, by cgroup ("/" the root). Cheap where they are much as before. What the
  // kernel does not offer is logged once, and left out.
  void arm(const std::map<std::string, std::uint64_t>& limits);
  // Calls `pressed` each time, until cancelled.
  Awaitable<void> run(std::function<void()> pressed);

 private:
  bool arm_v1();
  bool arm_v2();

  stats::CgroupMount mount_;
  std::filesystem::path proc_;
  std::map<std::string, std::uint64_t> limits_;
  asio::posix::stream_descriptor fd_;
  Notifier armed_;
  bool unavailable_ = false;
};

}  // namespace keelson::agent
