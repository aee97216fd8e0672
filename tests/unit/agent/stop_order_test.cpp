#include "agent/pod/stop_order.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "base/task_group.hpp"
#include "fixture.hpp"

namespace keelson::agent {
namespace {

using namespace test;
using Names = std::vector<std::string>;

TEST_CASE("sidecars end after the regular containers and after the sidecars that follow them") {
  const auto p = pod({container("a"), container("b")}, {sidecar("s1"), container("i"), sidecar("s2")});
  CHECK(ends_before(p.spec, "a").empty());
  CHECK(ends_before(p.spec, "i").empty());
  CHECK(ends_before(p.spec, "debug").empty());
  CHECK(ends_before(p.spec, "s2") == Names{"a", "b"});
  CHECK(ends_before(p.spec, "s1") == Names{"a", "b", "s2"});
}

Awaitable<void> wait_and_note(StopOrder& order, std::string name, SteadyTime deadline, Names& log) {
  co_await order.wait_turn(name, deadline);
  log.push_back(name);
}

TEST_CASE("each waits for its turn; when the grace period is over, all go on") {
  asio::io_context loop;
  const auto p = pod({container("a")}, {sidecar("s1"), sidecar("s2")});
  StopOrder order(loop.get_executor(), p.spec, {"a", "s1", "s2"});
  Names log;
  TaskGroup tasks(loop.get_executor());
  const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto settle = [&] {
    loop.restart();
    loop.poll();
  };
  SECTION("in order") {
    for (const auto* name : {"s1", "s2", "a"}) tasks.spawn(name, wait_and_note(order, name, late, log));
    settle();
    CHECK(log == Names{"a"});
    order.ended("a");
    settle();
    CHECK(log == Names{"a", "s2"});
    order.ended("s2");
    settle();
    CHECK(log == Names{"a", "s2", "s1"});
  }
  SECTION("a container that is not among those that stop is not waited for") {
    StopOrder alone(loop.get_executor(), p.spec, {"s1"});
    tasks.spawn("s1", wait_and_note(alone, "s1", late, log));
    settle();
    CHECK(log == Names{"s1"});
  }
  SECTION("past the deadline") {
    const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    tasks.spawn("s1", wait_and_note(order, "s1", soon, log));
    loop.restart();
    loop.run_for(std::chrono::milliseconds(500));
    CHECK(log == Names{"s1"});
  }
}

}  // namespace
}  // namespace keelson::agent
