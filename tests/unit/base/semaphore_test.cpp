#include "base/semaphore.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <string>

#include "base/task_group.hpp"

using namespace keelson;

namespace {

Awaitable<void> enter(Semaphore& places, std::string name, std::string& log, Nanoseconds stay, Nanoseconds patience) {
  auto permit = co_await places.acquire();
  if (patience > Nanoseconds(0)) permit.release_after(patience);
  log += name;
  co_await sleep_for(stay);
}

struct World {
  ~World() {
    tasks.cancel();
    loop.restart();
    loop.run_for(Milliseconds(50));
  }
  void enter_as(const std::string& name, Nanoseconds stay, Nanoseconds patience = Nanoseconds(0)) {
    tasks.spawn(name, enter(places, name, log, stay, patience));
  }
  void settle() {  // what can happen without time passing
    loop.restart();
    loop.poll();
  }
  void turn(Milliseconds time) {
    loop.restart();
    loop.run_for(time);
  }

  asio::io_context loop;
  Semaphore places{loop.get_executor(), 1};
  std::string log;
  TaskGroup tasks{loop.get_executor()};
};

}  // namespace

TEST_CASE("places are given in the order of asking") {
  World w;
  for (const auto* name : {"a", "b", "c"}) w.enter_as(name, Milliseconds(20));
  w.settle();
  CHECK(w.log == "a");
  CHECK(w.places.waiting() == 2);
  w.turn(Milliseconds(500));
  CHECK(w.log == "abc");
}

TEST_CASE("a holder that goes on past its patience keeps nobody waiting, and gives its place back once") {
  World w;
  w.enter_as("hung", Seconds(60), Milliseconds(50));
  w.enter_as("a", Seconds(60));
  w.enter_as("b", Seconds(60));
  w.settle();
  CHECK(w.log == "hung");
  w.turn(Milliseconds(200));
  CHECK(w.log == "hunga");
  w.tasks.cancel();
  w.turn(Milliseconds(50));
  w.enter_as("c", Seconds(60));
  w.enter_as("d", Seconds(60));
  w.settle();
  CHECK(w.log == "hungac");
}

TEST_CASE("a permit that moves takes its patience along") {
  World w;
  Semaphore::Permit kept;
  w.tasks.spawn("holder", [](Semaphore& places, Semaphore::Permit& out) -> Awaitable<void> {
    auto permit = co_await places.acquire();
    permit.release_after(Milliseconds(200));
    out = std::move(permit);
  }(w.places, kept));
  w.settle();
  w.enter_as("a", Milliseconds(1));
  w.settle();
  CHECK(w.log.empty());
  w.turn(Milliseconds(500));
  CHECK(w.log == "a");
  kept.release();
  w.enter_as("b", Seconds(60));
  w.enter_as("c", Seconds(60));
  w.settle();
  CHECK(w.log == "ab");
}
