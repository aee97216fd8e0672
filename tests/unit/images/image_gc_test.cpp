#include <catch2/catch.hpp>

#include "agent/images/image_gc.hpp"

using namespace keelson;
using namespace keelson::agent;

namespace {

constexpr std::uint64_t kGb = 1'000'000'000;
const SystemTime kStart{Seconds(1'800'000'000)};

std::vector<std::string> ids(const std::vector<UnusedImage>& images) {
  std::vector<std::string> out;
  for (const auto& image : images) out.push_back(image.id);
  return out;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("how much has to go", "[image-gc]") {
  const ImageGcPolicy policy;
  struct Row {
    std::uint64_t capacity, available, expected;
  };
  for (const auto& row : {Row{100 * kGb, 50 * kGb, 0}, Row{100 * kGb, 16 * kGb, 0}, Row{100 * kGb, 15 * kGb, 5 * kGb},
                          Row{100 * kGb, 0, 20 * kGb}, Row{100 * kGb, 200 * kGb, 0}, Row{0, 0, 0}}) {
    CAPTURE(row.capacity, row.available);
    CHECK(bytes_to_free(policy, row.capacity, row.available) == row.expected);
  }
  CHECK(bytes_to_free({.high_percent = 100}, 100 * kGb, 0) == 0);
  CHECK(bytes_to_free({.high_percent = 10, .low_percent = 5}, 100 * kGb, 80 * kGb) == 15 * kGb);
}

TEST_CASE("neither used nor pinned images are candidates; the least lately used come first", "[image-gc]") {
  ImageHistory history(kStart);
  const std::vector<ListedImage> images = {{"a", {"x:1"}, kGb, false},
                                           {"b", {}, kGb, false},
                                           {"pause", {"pause:3"}, kGb, true},
                                           {"c", {"y:1", "y@sha256:1"}, kGb, false}};
  CHECK(ids(history.observe(images, {"a", "y@sha256:1"}, kStart)) == Ids{"b"});
  CHECK(ids(history.observe(images, {"x:1"}, kStart + Seconds(60))) == Ids{"b", "c"});
  const auto later = history.observe(images, {}, kStart + Seconds(120));
  CHECK(ids(later) == Ids{"b", "c", "a"});
  CHECK(later[2].last_used == kStart + Seconds(60));
  CHECK(later[0].first_seen == kStart);
  // One that came back is new.
  history.observe({}, {}, kStart + Seconds(130));
  CHECK(history.observe(images, {}, kStart + Seconds(140))[0].first_seen == kStart + Seconds(140));
}

TEST_CASE("images go until enough is free", "[image-gc]") {
  const auto now = kStart + std::chrono::hours(1);
  const std::vector<UnusedImage> unused = {{"never", 2 * kGb, kStart, {}},
                                           {"young", 9 * kGb, now - Seconds(60), {}},
                                           {"old", 3 * kGb, kStart, kStart},
                                           {"newer", 4 * kGb, kStart, kStart + Seconds(5)}};
  const ImageGcPolicy policy;
  CHECK(choose_images(policy, unused, 0, kStart, now).empty());
  CHECK(ids(choose_images(policy, unused, 1, kStart, now)) == Ids{"never"});
  CHECK(ids(choose_images(policy, unused, 3 * kGb, kStart, now)) == Ids{"never", "old"});
  CHECK(ids(choose_images(policy, unused, 100 * kGb, kStart, now)) == Ids{"never", "old", "newer"});
}

TEST_CASE("what nobody has used for long goes by age alone", "[image-gc]") {
  const ImageGcPolicy policy{.maximum_age = std::chrono::hours(2)};
  const std::vector<UnusedImage> unused = {{"never", kGb, kStart, {}},
                                           {"lately", kGb, kStart, kStart + std::chrono::hours(2)}};
  CHECK(choose_images(policy, unused, 0, kStart, kStart + std::chrono::hours(1)).empty());
  CHECK(ids(choose_images(policy, unused, 0, kStart, kStart + std::chrono::hours(3))) == Ids{"never"});
  CHECK(ids(choose_images(policy, unused, 0, kStart, kStart + std::chrono::hours(5))) == Ids{"never", "lately"});
}
