#include "proxy/sync_record.hpp"

#include <catch2/catch.hpp>

namespace keelson::proxy {
namespace {

const SystemTime kStart(std::chrono::hours(500000));
constexpr Seconds kSecond(1);
const std::vector<Family> kBoth{Family::ipv4, Family::ipv6};

}  // namespace

TEST_CASE("a change waits until each family has written it") {
  SyncRecord record(kStart);
  const SteadyTime t0{};
  CHECK(record.waiting(Family::ipv4, t0) == Nanoseconds(0));
  record.queued(t0, kStart);
  record.queued(t0 + kSecond, kStart + kSecond);
  CHECK(record.waiting(Family::ipv4, t0 + 3 * kSecond) == 3 * kSecond);
  record.begin(kBoth);
  record.ended(Family::ipv4, true, kSecond, true, kStart + 3 * kSecond);
  record.ended(Family::ipv6, true, kSecond, false, kStart + 3 * kSecond);
  CHECK(record.waiting(Family::ipv4, t0 + 4 * kSecond) == Nanoseconds(0));
  CHECK(record.waiting(Family::ipv6, t0 + 4 * kSecond) == 4 * kSecond);
  record.queued(t0 + 5 * kSecond, kStart + 5 * kSecond);  // comes while the other still fails
  CHECK(record.waiting(Family::ipv4, t0 + 6 * kSecond) == kSecond);
  record.begin(kBoth);
  CHECK(record.waiting(Family::ipv6, t0 + 6 * kSecond) == 6 * kSecond);
  record.ended(Family::ipv6, true, kSecond, true, kStart + 6 * kSecond);
  CHECK(record.waiting(Family::ipv6, t0 + 6 * kSecond) == Nanoseconds(0));
  CHECK(record.of(Family::ipv6).full_failures == 1);
  CHECK(record.of(Family::ipv4).last_sync == kStart + 3 * kSecond);
}

TEST_CASE("the time from an object's change to its rules is measured where it is told, once written") {
  SyncRecord record(kStart);
  record.slice_changed(kStart - kSecond);  // before we were there
  record.slice_changed(std::nullopt);
  record.slice_changed(kStart + kSecond);
  CHECK(record.slices().total == 3);
  CHECK(record.slices().pending == 3);
  record.begin({Family::ipv4});
  CHECK(record.slices().pending == 0);
  record.ended(Family::ipv4, false, kSecond, false, kStart + 2 * kSecond);
  CHECK(record.of(Family::ipv4).programming.count() == 0);
  record.begin({Family::ipv4});
  record.ended(Family::ipv4, true, kSecond, true, kStart + 4 * kSecond);
  const FamilyRecord& f = record.of(Family::ipv4);
  CHECK(f.programming.count() == 1);
  CHECK(f.programming.sum() == 3);
  CHECK(f.syncs.count() == 2);
  CHECK(f.full_syncs.count() == 1);
  CHECK(f.partial_failures == 1);
  CHECK(f.full_failures == 0);
}

TEST_CASE("the bounds are kube-proxy's") {
  CHECK(sync_bounds().size() == 15);
  CHECK(sync_bounds().back() == 16.384);
  CHECK(programming_bounds().size() == 2 + 59 + 12 + 7);
  CHECK(programming_bounds().back() == 300);
}

}  // namespace keelson::proxy
