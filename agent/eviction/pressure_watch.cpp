#include "agent/eviction/pressure_watch.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string_view>

#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace keelson::agent {
namespace {

// Tasks held up for 100 ms within a second.
constexpr std::string_view kStall = "some 100000 1000000";
constexpr std::uint64_t kSlack = 32u << 20;
constexpr auto kPause = std::chrono::seconds(1);  // between two wake-ups: the look itself takes memory, too

bool differ(const std::map<std::string, std::uint64_t>& a, const std::map<std::string, std::uint64_t>& b) {
  if (a.size() != b.size()) return true;
  for (const auto& [cgroup, bytes] : a) {
    const auto it = b.find(cgroup);
    if (it == b.end() || std::max(bytes, it->second) - std::min(bytes, it->second) > kSlack) return true;
  }
  return false;
}

}  // namespace

PressureWatch::PressureWatch(const Executor& executor, stats::CgroupMount mount, std::filesystem::path proc)
    : mount_(std::move(mount)), proc_(std::move(proc)), fd_(executor), armed_(executor) {}

void PressureWatch::arm(const std::map<std::string, std::uint64_t>& limits) {
  if (unavailable_ || limits.empty() || (fd_.is_open() && (mount_.version == 2 || !differ(limits, limits_)))) return;
  limits_ = limits;
  boost::system::error_code ignored;
  fd_.close(ignored);
  if (mount_.version == 2 ? arm_v2() : arm_v1()) {
    armed_.notify();
    return;
  }
  unavailable_ = true;
  log_warn("the kernel does not tell of memory pressure; it is looked for from time to time",
           {{"error", errno_error(errno, mount_.version == 2 ? "/proc/pressure/memory" : "cgroup.event_control")}});
}

bool PressureWatch::arm_v1() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return false;
  bool any = false;
  for (const auto& [cgroup, bytes] : limits_) {
    const auto dir = mount_.path / "memory" / std::filesystem::path(cgroup).relative_path();
    const UniqueFd usage(::open((dir / "memory.usage_in_bytes").c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd control(::open((dir / "cgroup.event_control").c_str(), O_WRONLY | O_CLOEXEC));
    if (!usage || !control) continue;
    const auto text = std::to_string(event.get()) + " " + std::to_string(usage.get()) + " " + std::to_string(bytes);
    any = ::write(control.get(), text.data(), text.size()) > 0 || any;
  }
  if (any) fd_.assign(event.release());
  return any;
}

bool PressureWatch::arm_v2() {
  UniqueFd trigger(::open((proc_ / "pressure/memory").c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  // The kernel wants the terminating zero, too.
  if (!trigger || ::write(trigger.get(), kStall.data(), kStall.size() + 1) < 0) return false;
  fd_.assign(trigger.release());
  return true;
}

Awaitable<void> PressureWatch::run(std::function<void()> pressed) {
  for (;;) {
    if (!fd_.is_open()) {
      co_await armed_.wait();
      continue;
    }
    const auto kind =
        mount_.version == 2 ? asio::posix::stream_descriptor::wait_error : asio::posix::stream_descriptor::wait_read;
    const auto [ec] = co_await fd_.async_wait(kind, asio::as_tuple(asio::use_awaitable));
    if (ec) {
      // Armed anew meanwhile, or cancelled, which the next wait throws.
      co_await sleep_for(Milliseconds(10));
      continue;
    }
    if (mount_.version == 1) {
      std::uint64_t count = 0;
      if (::read(fd_.native_handle(), &count, sizeof count) < 0) continue;
    }
    pressed();
    co_await sleep_for(kPause);
  }
}

}  // namespace keelson::agent
