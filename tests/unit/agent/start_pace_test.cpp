#include "agent/pod/start_pace.hpp"

#include <catch2/catch.hpp>

using namespace keelson;
using keelson::agent::StartPace;

TEST_CASE("the patience with a start follows what starts take") {
  StartPace pace;
  CHECK(pace.patience() == Seconds(4));

  SECTION("a quick machine: never less than two seconds") {
    pace.took(Milliseconds(150));
    CHECK(pace.patience() == Seconds(2));
  }
  SECTION("eight times what is usual") {
    pace.took(Milliseconds(500));
    CHECK(pace.patience() == Seconds(4));
    for (int i = 0; i < 100; ++i) pace.took(Seconds(1));
    CHECK(pace.patience() > Milliseconds(7900));
    CHECK(pace.patience() <= Seconds(8));
  }
  SECTION("one slow start among many changes little") {
    for (int i = 0; i < 20; ++i) pace.took(Milliseconds(500));
    pace.took(Seconds(4));
    CHECK(pace.patience() < Seconds(8));
  }
  SECTION("a machine that stands still: never more than a minute") {
    pace.took(Seconds(100));
    CHECK(pace.patience() == Seconds(60));
  }
}
