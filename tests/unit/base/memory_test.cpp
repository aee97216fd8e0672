// What unmap_program_pages() takes away, and what it must leave: data, and whatever runs meanwhile.
#include "base/memory.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace keelson {
namespace {

// Resident bytes that files back.
std::size_t resident_of_files() {
  std::ifstream file("/proc/self/smaps_rollup");
  std::map<std::string, std::size_t> kib;
  std::string line;
  std::getline(file, line);  // the address range
  for (std::string name, unit; file >> name && file >> kib[name] && file >> unit;) continue;
  return (kib["Rss:"] - kib["Anonymous:"]) * 1024;
}

struct Shape {
  virtual ~Shape() = default;
  [[nodiscard]] virtual int corners() const = 0;
};
struct Square : Shape {
  [[nodiscard]] int corners() const override { return 4; }
};

int changed_at_run_time = 1;
const char* const kPointerToConstant = "relocated when the program was loaded";

TEST_CASE("pages of program and libraries are given up, and come back as they are needed") {
  const std::size_t before = resident_of_files();
  const std::size_t given_up = unmap_program_pages();
  const std::size_t after = resident_of_files();
  CHECK(given_up > before / 2);
  CHECK(after < before / 2);
}

TEST_CASE("data that the program has written outlives the giving back") {
  changed_at_run_time = 42;
  const std::string on_heap(100'000, 'x');
  const std::unique_ptr<Shape> shape = std::make_unique<Square>();
  give_memory_back();
  CHECK(changed_at_run_time == 42);
  CHECK(on_heap == std::string(100'000, 'x'));
  CHECK(shape->corners() == 4);
  CHECK(std::string(kPointerToConstant) == "relocated when the program was loaded");
  CHECK_THROWS_AS(std::stoi("no number"), std::invalid_argument);  // the unwinder's tables are read-only pages, too
}

TEST_CASE("other threads run on while pages are given up under them") {
  std::atomic<bool> stop = false;
  std::atomic<int> rounds = 0;
  std::thread other([&] {
    while (!stop) rounds += std::to_string(rounds.load()).empty() ? 0 : 1;
  });
  while (rounds == 0) std::this_thread::yield();
  for (int i = 0; i < 50; ++i) {
    const int seen = rounds;
    unmap_program_pages();
    while (rounds == seen) std::this_thread::yield();
  }
  stop = true;
  other.join();
  CHECK(rounds > 50);
}

}  // namespace
}  // namespace keelson
