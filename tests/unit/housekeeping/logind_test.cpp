#include <catch2/catch.hpp>
#include <filesystem>

#include "agent/housekeeping/logind.hpp"
#include "tests/unit/housekeeping/fake_logind.hpp"
#include "tests/unit/loop.hpp"

using namespace keelson;
using namespace keelson::agent;
using keelson::testing::FakeLogind;
using keelson::testing::Loop;

TEST_CASE("a shutdown is held up until it is let go", "[logind]") {
  if (!FakeLogind::possible()) {
    WARN("no dbus-daemon here");
    return;
  }
  FakeLogind bus;
  Loop loop;
  std::vector<bool> told;
  {
    Logind logind(loop.executor(), {.delay = Seconds(3), .drop_in = bus.drop_in()},
                  [&](bool begins) { told.push_back(begins); });
    const auto started = logind.start();
    REQUIRE(started.has_value());
    CHECK(logind.delay() == Seconds(5));
    CHECK_FALSE(std::filesystem::exists(bus.drop_in()));  // logind waits long enough as it is
    CHECK(bus.locks() == 1);
    CHECK(bus.held());

    bus.shut_down(true);
    loop.pump_until([&] { return told == std::vector<bool>{true}; });
    CHECK(bus.held());
    logind.release();
    loop.pump_until([&] { return !bus.held(); });

    // Called off: the next one is held up again.
    bus.shut_down(false);
    loop.pump_until([&] { return told == std::vector<bool>{true, false}; });
    CHECK(bus.locks() == 2);
    CHECK(bus.held());
  }
  loop.pump_until([&] { return !bus.held(); });
}

TEST_CASE("logind is told to wait longer where it would not", "[logind]") {
  if (!FakeLogind::possible()) {
    WARN("no dbus-daemon here");
    return;
  }
  FakeLogind bus;
  Loop loop;
  Logind logind(loop.executor(), {.delay = Seconds(60), .drop_in = bus.drop_in()}, [](bool) {});
  REQUIRE(logind.start().has_value());
  CHECK(logind.delay() == Seconds(60));
  CHECK(bus.delay_usec == 60'000'000);
  CHECK(std::filesystem::exists(bus.drop_in()));
}

TEST_CASE("a machine without a system bus says so", "[logind]") {
  ::setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
  Loop loop;
  Logind logind(loop.executor(), {.delay = Seconds(1)}, [](bool) {});
  const auto started = logind.start();
  REQUIRE_FALSE(started.has_value());
  CHECK(started.error().message.starts_with("system bus: "));
}
