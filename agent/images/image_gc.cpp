#include "agent/images/image_gc.hpp"

#include <algorithm>
#include <tuple>

namespace keelson::agent {

std::vector<UnusedImage> ImageHistory::observe(const std::vector<ListedImage>& images,
                                               const std::set<std::string>& used, SystemTime now) {
  std::vector<UnusedImage> unused;
  std::map<std::string, Times> times;
  for (const auto& image : images) {
    const auto known = times_.find(image.id);
    auto& t = times[image.id];
    t = known == times_.end() ? Times{now, {}} : known->second;
    const bool in_use = used.contains(image.id) || std::any_of(image.names.begin(), image.names.end(),
                                                               [&](const auto& name) { return used.contains(name); });
    if (in_use) t.last_used = now;
    if (!in_use && !image.pinned) unused.push_back({image.id, image.size, t.first_seen, t.last_used});
  }
  times_ = std::move(times);
  std::sort(unused.begin(), unused.end(), [](const UnusedImage& a, const UnusedImage& b) {
    return std::tie(a.last_used, a.first_seen, a.id) < std::tie(b.last_used, b.first_seen, b.id);
  });
  return unused;
}

std::uint64_t bytes_to_free(const ImageGcPolicy& policy, std::uint64_t capacity, std::uint64_t available) {
  available = std::min(available, capacity);
  if (capacity == 0 || policy.high_percent >= 100) return 0;
  const auto percent = 100 - static_cast<std::int64_t>(static_cast<__int128>(available) * 100 / capacity);
  if (percent < policy.high_percent) return 0;
  const auto wanted = static_cast<std::uint64_t>(static_cast<__int128>(capacity) * (100 - policy.low_percent) / 100);
  return wanted > available ? wanted - available : 0;
}

std::vector<UnusedImage> choose_images(const ImageGcPolicy& policy, const std::vector<UnusedImage>& unused,
                                       std::uint64_t bytes, SystemTime began, SystemTime now) {
  const bool by_age = policy.maximum_age.count() > 0 && now - began > policy.maximum_age;
  std::vector<UnusedImage> out;
  std::uint64_t freed = 0;
  for (const auto& image : unused) {
    const bool old = by_age && now - image.last_used > policy.maximum_age;
    const bool wanted = freed < bytes && now - image.first_seen >= policy.minimum_age;
    if (!old && !wanted) continue;
    freed += image.size;
    out.push_back(image);
  }
  return out;
}

}  // namespace keelson::agent
