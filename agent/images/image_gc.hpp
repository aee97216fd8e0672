// Which images go when their filesystem fills up, as pure functions. After upstream's
// pkg/kubelet/images/image_gc_manager.go.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/chrono.hpp"

namespace keelson::agent {

struct ImageGcPolicy {
  std::int64_t high_percent = 85;  // imageGCHighThresholdPercent; 100: never for want of space
  std::int64_t low_percent = 80;
  Nanoseconds minimum_age = std::chrono::minutes(2);  // since it was first seen
  Nanoseconds maximum_age{0};                         // since it was last used; 0: age alone removes nothing
};

struct ListedImage {
  std::string id;
  std::vector<std::string> names;  // tags and digests
  std::uint64_t size = 0;          // bytes
  bool pinned = false;             // the runtime says that it must stay
};

// An image that could go.
struct UnusedImage {
  std::string id;
  std::uint64_t size = 0;
  SystemTime first_seen{}, last_used{};  // last_used: the epoch where it was never seen in use
  bool operator==(const UnusedImage&) const = default;
};

// Remembers since when each image is there and when it was last in use. In memory only, as upstream's.
class ImageHistory {
 public:
  explicit ImageHistory(SystemTime now) : began_(now) {}

  // `used`: IDs and names of images that containers were made from or that pods name. The images that nobody uses and
  // that are not pinned, those to go first at the front.
  std::vector<UnusedImage> observe(const std::vector<ListedImage>& images, const std::set<std::string>& used,
                                   SystemTime now);
  [[nodiscard]] SystemTime began() const { return began_; }

 private:
  struct Times {
    SystemTime first_seen{}, last_used{};
  };
  SystemTime began_;
  std::map<std::string, Times> times_;  // by ID
};

// How many bytes to free: 0 below the high threshold, else what brings usage down to the low one.
[[nodiscard]] std::uint64_t bytes_to_free(const ImageGcPolicy& policy, std::uint64_t capacity, std::uint64_t available);

// The images to remove, in this order, until `bytes` are freed; those younger than minimum_age stay. What is unused for
// longer than maximum_age goes in any case, once `began` is as long ago: before, its use is not known.
[[nodiscard]] std::vector<UnusedImage> choose_images(const ImageGcPolicy& policy,
                                                     const std::vector<UnusedImage>& unused, std::uint64_t bytes,
                                                     SystemTime began, SystemTime now);

}  // namespace keelson::agent
