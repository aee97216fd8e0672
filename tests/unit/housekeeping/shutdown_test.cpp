#include <catch2/catch.hpp>

#include "agent/housekeeping/shutdown_plan.hpp"

using namespace keelson;
using namespace keelson::agent;

using Rounds = std::vector<ShutdownRound>;
using Uids = std::vector<std::string>;

TEST_CASE("ordinary pods have what critical ones leave", "[shutdown]") {
  CHECK(two_steps(Seconds(30), Seconds(10)) ==
        std::vector<ShutdownStep>{{0, Seconds(20)}, {2'000'000'000, Seconds(10)}});
  CHECK(two_steps(Seconds(30), Seconds(0)).front().grace == Seconds(30));
  CHECK(two_steps(Seconds(10), Seconds(30)).front().grace == Seconds(0));
  CHECK(two_steps(Seconds(0), Seconds(10)).empty());
  CHECK(total_grace(two_steps(Seconds(30), Seconds(10))) == Seconds(30));
}

TEST_CASE("pods end by priority, the lowest first", "[shutdown]") {
  const std::vector<ShutdownStep> steps = {{1000, Seconds(20)}, {0, Seconds(10)}, {2'000'000'000, Seconds(5)}};
  struct Row {
    std::vector<ShutdownPod> pods;
    Rounds expected;
  };
  for (const auto& row : std::vector<Row>{
           {{}, {}},
           {{{"a", 0}, {"b", 999}}, {{Seconds(10), {"a", "b"}}}},
           {{{"a", 1000}, {"b", 1001}, {"c", -5}}, {{Seconds(10), {"c"}}, {Seconds(20), {"a", "b"}}}},
           {{{"s", 2'000'001'000}, {"a", 0}}, {{Seconds(10), {"a"}}, {Seconds(5), {"s"}}}},
       }) {
    CHECK(shutdown_rounds(steps, row.pods) == row.expected);
  }
  CHECK(shutdown_rounds({}, {{"a", 0}}).empty());
}

TEST_CASE("pods below every group are in the lowest", "[shutdown]") {
  CHECK(shutdown_rounds({{100, Seconds(1)}, {200, Seconds(2)}}, {{"a", 0}, {"b", 250}}) ==
        Rounds{{Seconds(1), {"a"}}, {Seconds(2), {"b"}}});
}

TEST_CASE("what logind is told", "[shutdown]") {
  CHECK(logind_drop_in(Seconds(45)).ends_with("[Login]\nInhibitDelayMaxSec=45\n"));
}
