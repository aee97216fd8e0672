#include "base/backoff.hpp"

#include <catch2/catch.hpp>

namespace keelson::test {

TEST_CASE("a back-off counts from its event, and not through a clock that was set back", "[backoff]") {
  const BackoffPolicy policy{};
  const SystemTime event{Seconds(1'700'000'000)};
  const BackoffState state{Seconds(10), event};
  struct Row {
    const char* what;
    Seconds now;  // after the event
    std::optional<Seconds> until;
  };
  const auto row = GENERATE(values<Row>({{"at once", Seconds(0), Seconds(10)},
                                         {"meanwhile", Seconds(9), Seconds(10)},
                                         {"when it is over", Seconds(10), std::nullopt},
                                         {"a clock that is a little off", Seconds(-1), Seconds(10)},
                                         {"a clock set back by an hour", Seconds(-3600), std::nullopt},
                                         {"a clock set ahead by an hour", Seconds(3600), std::nullopt}}));
  INFO(row.what);
  const auto until = blocked_until(state, policy, event, event + row.now);
  CHECK(until == (row.until ? std::optional<SystemTime>(event + *row.until) : std::nullopt));
}

}  // namespace keelson::test
