#include "proxy/sync_pace.hpp"

#include <catch2/catch.hpp>

namespace keelson::proxy {
namespace {

using std::chrono::milliseconds;

SteadyTime at(int ms) { return SteadyTime(std::chrono::hours(1) + milliseconds(ms)); }

constexpr Nanoseconds kSecond = milliseconds(1000);

}  // namespace

TEST_CASE("a change by itself is followed by ten times its sync's duration") {
  SyncPace pace(kSecond, 50);
  CHECK(pace.after(at(0), at(8), milliseconds(0)) == milliseconds(80));
  CHECK(pace.after(at(500), at(504), milliseconds(0)) == milliseconds(40));
  CHECK(pace.after(at(900), at(902), milliseconds(100)) == milliseconds(100));  // as configured
}

TEST_CASE("in a burst pauses grow to fifty times a sync's duration, and begin anew after it") {
  SyncPace pace(kSecond, 50);
  int now = 0;
  std::vector<int> pauses;
  for (int i = 0; i < 6; ++i) {
    const Nanoseconds pause = pace.after(at(now), at(now + 10), milliseconds(0));
    pauses.push_back(static_cast<int>(pause / milliseconds(1)));
    now += 10 + pauses.back();
  }
  CHECK(pauses == std::vector{100, 150, 220, 330, 490, 500});
  now += 501;  // quiet for longer than a pause
  CHECK(pace.after(at(now), at(now + 10), milliseconds(0)) == milliseconds(100));
}

TEST_CASE("where nothing is gained by waiting pauses do not grow") {
  SyncPace pace(kSecond, 10);
  for (int now = 0; now < 1000; now += 110)
    CHECK(pace.after(at(now), at(now + 10), milliseconds(0)) == milliseconds(100));
}

TEST_CASE("no pause is longer than upstream's, unless the sync itself is") {
  SyncPace pace(kSecond, 50);
  CHECK(pace.after(at(0), at(300), milliseconds(0)) == kSecond);
  CHECK(pace.after(at(5000), at(9000), milliseconds(0)) == milliseconds(4000));
  CHECK(pace.after(at(13000), at(13001), milliseconds(0)) == milliseconds(15));
  pace.forget();
  CHECK(pace.after(at(13016), at(13017), milliseconds(0)) == milliseconds(10));
}

}  // namespace keelson::proxy
