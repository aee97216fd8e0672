// A conf dir, a bin dir with scripted plugins and a state dir of their own for every test, and a loop to run coroutines
// on.
#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/blocking_pool.hpp"
#include "cni/manager.hpp"

// A failed check shows the error's words.
template <class T>
struct Catch::StringMaker<keelson::Result<T>> {
  static std::string convert(const keelson::Result<T>& result) { return result ? "ok" : result.error().message; }
};
template <class T>
struct Catch::StringMaker<keelson::cni::CniResult<T>> {
  static std::string convert(const keelson::cni::CniResult<T>& result) { return result ? "ok" : result.error().text(); }
};

namespace keelson::cni::testing {

namespace fs = std::filesystem;

struct TempDir {
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  fs::path path;
};

void write(const fs::path& path, const std::string& text);
std::string slurp(const fs::path& path);

// A coroutine's value, the loop running until it is there. Exceptions come out.
template <class T>
T run(asio::io_context& io, Awaitable<T> task) {
  std::optional<T> out;
  std::exception_ptr error;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr e, T value) {
    if (e) {
      error = e;
    } else {
      out.emplace(std::move(value));
    }
  });
  io.restart();
  while (!out && !error) io.run_one();
  if (error) std::rethrow_exception(error);
  return std::move(*out);
}
void run(asio::io_context& io, Awaitable<void> task);

// Runs the loop until `done` or the time is up; true when it is done.
bool run_until(asio::io_context& io, const std::function<bool()>& done, Milliseconds limit = Milliseconds(10'000));

struct World {
  World();

  // Installs a plugin whose behaviour for a command is the shell text of script(); without one it succeeds. It appends
  // "COMMAND ID netns=NETNS" to TYPE.calls and keeps its last stdin in TYPE.COMMAND.stdin.
  void plugin(const std::string& type);
  void script(const std::string& type, const std::string& command, const std::string& shell);
  std::vector<std::string> calls(const std::string& type) const;
  std::size_t count(const std::string& type, const std::string& command) const;
  std::string stdin_of(const std::string& type, const std::string& command) const;

  // conf/NAME.conflist with the plugins, every one declaring the portMappings capability.
  void conflist(const std::string& file, const std::string& network, const std::vector<std::string>& types,
                const std::string& version = "1.1.0");
  NetworkConfig network(const std::vector<std::string>& types, const std::string& version = "1.1.0");

  ManagerOptions options() const;
  // A netns path that "exists" for the manager.
  std::string netns(const std::string& id);

  TempDir dir;
  fs::path conf = dir.path / "conf", bin = dir.path / "bin", state = dir.path / "state";
  asio::io_context io{1};
  BlockingPool pool{2};
  ProcessExec exec{io.get_executor(), ExecOptions{8, 5, Milliseconds(20)}};
};

Attachment attachment(const std::string& id, const std::string& netns);
AttachmentRecord record(const NetworkConfig& network, const std::string& id, const std::string& netns,
                        AttachmentState state);

}  // namespace keelson::cni::testing
