// lock_file between real processes: who holds it, and that a child outliving the holder does not.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/files.hpp"

namespace keelson {
namespace {

struct TempDir {
  TempDir() {
    char name[] = "/tmp/keelson-lock-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

TEST_CASE("lock_file is refused to another process, naming the holder") {
  TempDir dir;
  const auto lock = lock_file(dir.path / "lock");
  REQUIRE(lock.has_value());
  const auto holder = std::to_string(::getpid());
  const pid_t other = ::fork();
  if (other == 0) {
    const auto again = lock_file(dir.path / "lock");
    const bool told = !again && again.error().code == Errc::already_exists &&
                      again.error().message.find("process " + holder) != std::string::npos;
    ::_exit(told ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(other, &status, 0) == other);
  CHECK(status == 0);
}

// What posix_spawn leaves for a moment when the agent is killed: a child with all its descriptors.
TEST_CASE("lock_file is free once its holder is dead, whatever its children hold") {
  TempDir dir;
  int held[2], end[2];
  REQUIRE(::pipe(held) == 0);
  REQUIRE(::pipe(end) == 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    const auto lock = lock_file(dir.path / "lock");
    if (!lock) ::_exit(1);
    ::close(end[1]);
    if (::fork() == 0) {
      char byte = 0;
      ::_exit(static_cast<int>(::read(end[0], &byte, 1)));
    }
    ::_exit(::write(held[1], "x", 1) == 1 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(holder, &status, 0) == holder);
  CHECK(status == 0);
  CHECK(lock_file(dir.path / "lock").has_value());
  for (const int fd : {held[0], held[1], end[0], end[1]}) ::close(fd);
}

}  // namespace
}  // namespace keelson
