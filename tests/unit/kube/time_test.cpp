#include "kube/time.hpp"

#include <catch2/catch.hpp>

using namespace keelson::kube;

TEST_CASE("times are read with fractions and offsets, and written in UTC") {
  auto [in, seconds, micro, nano] = GENERATE(table<std::string, std::string, std::string, std::string>({
      {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000000000Z"},
      {"2024-05-01T10:00:00+02:00", "2024-05-01T08:00:00Z", "2024-05-01T08:00:00.000000Z",
       "2024-05-01T08:00:00.000000000Z"},
      {"2024-02-29T23:59:59.123456789Z", "2024-02-29T23:59:59Z", "2024-02-29T23:59:59.123456Z",
       "2024-02-29T23:59:59.123456789Z"},
      {"1969-12-31T23:59:59.5-00:30", "1970-01-01T00:29:59Z", "1970-01-01T00:29:59.500000Z",
       "1970-01-01T00:29:59.500000000Z"},
      {"1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.250000Z",
       "1969-12-31T23:59:59.250000000Z"},
  }));
  CAPTURE(in);
  Time time = parse_time(in).value();
  CHECK(format_time(time) == seconds);
  CHECK(format_micro_time(time) == micro);
  CHECK(format_nano_time(time) == nano);
}

TEST_CASE("what is no time is refused") {
  auto text =
      GENERATE("", "2024-05-01", "2024-05-01T10:00:00", "2024-05-01 10:00:00Z", "2024-13-01T00:00:00Z",
               "2023-02-29T00:00:00Z", "2024-05-01T24:00:00Z", "2024-05-01T10:00:00.Z", "2024-05-01T10:00:00Zx",
               "2024-05-01T10:00:00+0200", "2024-05-01T10:00:00+25:00", "3024-05-01T10:00:00Z", "-024-05-01T10:00:00Z");
  CAPTURE(text);
  CHECK_FALSE(parse_time(text).has_value());
}

TEST_CASE("durations as Go writes them", "[time]") {
  CHECK(parse_duration("1h2m3.5s").value() ==
        std::chrono::hours(1) + std::chrono::minutes(2) + keelson::Milliseconds(3500));
  CHECK(parse_duration("300ms").value() == keelson::Milliseconds(300));
  CHECK(parse_duration("0").value() == keelson::Nanoseconds(0));
  CHECK(parse_duration("0s").value() == keelson::Nanoseconds(0));
  for (const char* bad : {"", "5", "s", "-1s", "1x", "1s2", ".s", "1e3s", "99999999999h"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration(bad).has_value());
  }
}
