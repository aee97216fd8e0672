// systemd-logind over D-Bus: a delay lock that holds a shutdown up, and word of one that begins.
// https://www.freedesktop.org/wiki/Software/systemd/inhibit. libsystemd is loaded only when this is used: most nodes
// need not carry it in memory. The bus is spoken to by a thread of its own, for its calls block.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "base/async.hpp"

namespace keelson::agent {

struct LogindOptions {
  Seconds delay{0};  // how long a shutdown is to be held up; logind's own limit is raised where it is lower
  std::filesystem::path drop_in = "/etc/systemd/logind.conf.d/99-keelson.conf";
};

class Logind {
 public:
  // `on_shutdown` is called on the executor: true when a shutdown begins, false when it was called off.
  Logind(Executor executor, LogindOptions options, std::function<void(bool)> on_shutdown);
  ~Logind();

  // Connects to the system bus, makes sure of the delay, takes the lock and begins to listen. Blocks: use the pool.
  // Errors: no libsystemd, no bus, no logind. A logind that waits less than asked for is told in the log.
  Result<void> start();
  // Lets the shutdown go on.
  void release();

  // How long logind waits, after start().
  [[nodiscard]] Seconds delay() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::agent
