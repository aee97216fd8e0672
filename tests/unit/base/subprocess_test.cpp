#include "base/subprocess.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "base/task_group.hpp"

namespace keelson {
namespace {

Awaitable<void> run_into(Command command, std::optional<CommandResult>& out) {
  auto result = co_await run_command(std::move(command));
  REQUIRE(result.has_value());
  out = std::move(*result);
}

CommandResult run(std::vector<std::string> argv, std::string input = {}) {
  asio::io_context io(1);
  TaskGroup tasks(io.get_executor());
  std::optional<CommandResult> out;
  Command command;
  command.argv = std::move(argv);
  command.stdin_data = std::move(input);
  tasks.spawn("command", run_into(std::move(command), out));
  io.run();
  return out.value();
}

TEST_CASE("a program that does not read its stdin is no harm", "[subprocess]") {
  CHECK(run({"/bin/true"}, std::string(1 << 20, 'x')).ok());
  CHECK(run({"cat"}, std::string(100'000, 'y')).out.size() == 100'000);
}

TEST_CASE("many programs one after the other and at once all end", "[subprocess]") {
  asio::io_context io(1);
  TaskGroup tasks(io.get_executor());
  std::vector<std::optional<CommandResult>> results(60);
  for (auto& result : results) {
    Command command;
    command.argv = {"sh", "-c", "cat; exit 3"};
    command.stdin_data = "in";
    tasks.spawn("command", run_into(std::move(command), result));
  }
  io.run();
  for (const auto& result : results) {
    REQUIRE(result.has_value());
    CHECK(result->exit_code == 3);
    CHECK(result->out == "in");
  }
}

TEST_CASE("a cancelled caller leaves no process behind", "[subprocess]") {
  asio::io_context io(1);
  TaskGroup tasks(io.get_executor());
  std::optional<CommandResult> out;
  Command command;
  command.argv = {"sh", "-c", "echo $$; sleep 100"};
  command.stdin_data = std::string(1 << 20, 'x');  // more than a pipe holds: the writer is busy when we cancel
  tasks.spawn("command", run_into(std::move(command), out));
  io.run_for(Milliseconds(50));
  tasks.cancel();
  io.restart();
  io.run();
  CHECK(tasks.size() == 0);
  CHECK_FALSE(out.has_value());
}

TEST_CASE("variables stand beside our own, or in place of them", "[subprocess]") {
  ::setenv("KEELSON_TEST", "ours", 1);
  const auto env = environment_with({{"KEELSON_TEST", "theirs"}, {"KEELSON_MORE", "a=b"}});
  ::unsetenv("KEELSON_TEST");
  const auto count = [&](const std::string& entry) { return std::count(env.begin(), env.end(), entry); };
  CHECK(count("KEELSON_TEST=ours") == 0);
  CHECK(count("KEELSON_TEST=theirs") == 1);
  CHECK(count("KEELSON_MORE=a=b") == 1);
  CHECK(count(std::string("PATH=") + ::getenv("PATH")) == 1);
}

}  // namespace
}  // namespace keelson
