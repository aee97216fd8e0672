#include "agent/housekeeping/shutdown_plan.hpp"

#include <algorithm>
#include <map>

namespace keelson::agent {
namespace {

constexpr std::int64_t kCritical = 2'000'000'000;  // scheduling.SystemCriticalPriority

}  // namespace

std::vector<ShutdownStep> two_steps(Nanoseconds grace, Nanoseconds critical) {
  const auto all = std::chrono::duration_cast<Seconds>(grace);
  const auto last = std::min(std::chrono::duration_cast<Seconds>(critical), all);
  if (all.count() <= 0) return {};
  return {{0, all - last}, {kCritical, last}};
}

std::vector<ShutdownRound> shutdown_rounds(std::vector<ShutdownStep> steps, const std::vector<ShutdownPod>& pods) {
  if (steps.empty()) return {};
  std::sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.priority < b.priority; });
  std::vector<ShutdownRound> rounds;
  for (const auto& step : steps) rounds.push_back({step.grace, {}});
  for (const auto& pod : pods) {
    const auto above = std::upper_bound(steps.begin(), steps.end(), pod.priority,
                                        [](std::int64_t p, const ShutdownStep& s) { return p < s.priority; });
    const auto index = above == steps.begin() ? 0 : above - steps.begin() - 1;
    rounds[static_cast<std::size_t>(index)].uids.push_back(pod.uid);
  }
  std::erase_if(rounds, [](const ShutdownRound& r) { return r.uids.empty(); });
  return rounds;
}

Seconds total_grace(const std::vector<ShutdownStep>& steps) {
  Seconds sum{0};
  for (const auto& step : steps) sum += step.grace;
  return sum;
}

std::string logind_drop_in(Seconds delay) {
  return "# Written by keelson: logind waits this long for pods to end.\n[Login]\nInhibitDelayMaxSec=" +
         std::to_string(delay.count()) + "\n";
}

}  // namespace keelson::agent
