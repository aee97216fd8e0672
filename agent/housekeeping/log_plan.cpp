#include "agent/housekeeping/log_plan.hpp"

#include <algorithm>
#include <ctime>
#include <set>

namespace keelson::agent {
namespace {

constexpr std::string_view kCompressed = ".gz";
constexpr std::string_view kPartial = ".tmp";
constexpr std::size_t kStampSize = 15;  // "20261121-165522"
constexpr Nanoseconds kShortestLook = Milliseconds(20);

std::string stamp_of(SystemTime time) {
  const std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const auto n = std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &parts);
  return {text, n};
}

std::string stem_of(const std::string& name) {
  return name.ends_with(kCompressed) ? name.substr(0, name.size() - kCompressed.size()) : name;
}

std::string numbered(const std::string& name, int n) {
  const auto digits = std::to_string(n);
  return name + (n < 10 ? "-0" : "-") + digits;
}

}  // namespace

std::vector<std::string> files_of_log(const std::string& active, const std::vector<std::string>& names) {
  std::vector<std::string> out;
  std::copy_if(names.begin(), names.end(), std::back_inserter(out),
               [&](const std::string& name) { return name == active || name.starts_with(active + "."); });
  return out;
}

RotationPlan plan_rotation(const std::string& active, const std::vector<std::string>& names, std::int64_t max_files,
                           SystemTime now, Nanoseconds settle) {
  RotationPlan plan;
  std::vector<std::string> rotated;
  std::set<std::string> compressed;  // by stem
  for (const auto& name : files_of_log(active, names)) {
    if (name.ends_with(kCompressed)) compressed.insert(stem_of(name));
  }
  for (const auto& name : files_of_log(active, names)) {
    if (name == active) continue;
    const bool left_over = name.ends_with(kPartial) || (!name.ends_with(kCompressed) && compressed.contains(name));
    (left_over ? plan.remove : rotated).push_back(name);
  }
  std::sort(rotated.begin(), rotated.end(), [](const auto& a, const auto& b) { return stem_of(a) < stem_of(b); });

  const auto keep = static_cast<std::size_t>(std::max<std::int64_t>(max_files - 2, 0));
  const auto excess = rotated.size() > keep ? rotated.size() - keep : 0;
  plan.remove.insert(plan.remove.end(), rotated.begin(), rotated.begin() + static_cast<std::ptrdiff_t>(excess));
  const auto settled = active + "." + stamp_of(now - settle);
  for (std::size_t i = excess; i < rotated.size(); ++i) {
    if (!rotated[i].ends_with(kCompressed) && rotated[i].substr(0, active.size() + 1 + kStampSize) <= settled) {
      plan.compress.push_back(rotated[i]);
    }
  }

  // Never a name that was given before, and always one that sorts last, also when the clock was set back.
  const auto newest = rotated.empty() ? std::string() : stem_of(rotated.back());
  plan.rotated = active + "." + stamp_of(now);
  if (newest >= plan.rotated) {
    const auto base = newest.substr(0, active.size() + 1 + kStampSize);
    const auto number = newest.size() > base.size() + 1 ? std::atoi(newest.c_str() + base.size() + 1) : 0;
    plan.rotated = numbered(base, number + 1);
  }
  return plan;
}

Nanoseconds next_look(std::int64_t size, std::int64_t grown, Nanoseconds elapsed, const LogPolicy& policy) {
  const auto left = policy.max_size - size;
  if (left <= 0) return kShortestLook;
  if (grown <= 0 || elapsed.count() <= 0) return policy.monitor;
  // A look comes at three quarters of the time that is left, so that a steady writer is met within a quarter of it.
  const double until_full =
      static_cast<double>(left) / static_cast<double>(grown) * static_cast<double>(elapsed.count());
  const double wait = std::min(until_full * 0.75, static_cast<double>(policy.monitor.count()));
  return std::max(kShortestLook, Nanoseconds(static_cast<std::int64_t>(wait)));
}

}  // namespace keelson::agent
