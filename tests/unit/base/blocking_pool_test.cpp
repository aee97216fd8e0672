#include "base/blocking_pool.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <thread>

#include "base/task_group.hpp"

namespace keelson {
namespace {

Awaitable<void> count_in_pool(BlockingPool& pool, int& out) {
  auto job = [] { return 42; };
  out = co_await pool.run(std::move(job));
}

Awaitable<void> throw_in_pool(BlockingPool& pool, bool& caught) {
  auto job = [] { throw std::runtime_error("from the pool"); };
  try {
    co_await pool.run(std::move(job));
  } catch (const std::runtime_error&) {
    caught = true;
  }
}

Awaitable<void> wait_in_pool(BlockingPool& pool, std::shared_future<void> gate, bool& returned) {
  auto job = [gate] { gate.wait(); };
  co_await pool.run(std::move(job));
  returned = true;
}

TEST_CASE("the pool gives back values and exceptions on the loop", "[blocking_pool]") {
  asio::io_context io(1);
  BlockingPool pool;
  TaskGroup tasks(io.get_executor());
  int value = 0;
  bool caught = false;
  tasks.spawn("value", count_in_pool(pool, value));
  tasks.spawn("exception", throw_in_pool(pool, caught));
  io.run();
  CHECK(value == 42);
  CHECK(caught);
}

TEST_CASE("a cancelled caller goes away while its call still runs", "[blocking_pool]") {
  asio::io_context io(1);
  BlockingPool pool;
  TaskGroup tasks(io.get_executor());
  std::promise<void> gate;
  bool returned = false;
  tasks.spawn("waiter", wait_in_pool(pool, gate.get_future().share(), returned));
  io.poll();
  CHECK(tasks.size() == 1);
  tasks.cancel();
  io.poll();
  CHECK(tasks.size() == 0);
  gate.set_value();
  io.restart();
  io.run_for(Milliseconds(50));
  CHECK_FALSE(returned);
}

}  // namespace
}  // namespace keelson
