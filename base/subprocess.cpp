#include "base/subprocess.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/task_group.hpp"
#include "base/unique_fd.hpp"

extern char** environ;

namespace keelson {
namespace {

using Descriptor = asio::posix::stream_descriptor;

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return errno_error(errno, "pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const auto& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

struct Child {
  pid_t pid = -1;
  UniqueFd pidfd, in, out, err;
};

void kill_and_reap(pid_t pid) {
  ::kill(-pid, SIGKILL);
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<pid_t> spawn(const Command& command, const Pipe& in, const Pipe& out, const Pipe& err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attr);
  ::posix_spawn_file_actions_adddup2(&actions, in.read.get(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, err.write.get(), 2);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attr, &none);
  ::posix_spawnattr_setsigdefault(&attr, &all);
  ::posix_spawnattr_setpgroup(&attr, 0);
  ::posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  auto argv = c_strings(command.argv);
  auto env = command.env ? c_strings(*command.env) : std::vector<char*>();
  pid_t pid = -1;
  const int rc = ::posix_spawnp(&pid, argv[0], &actions, &attr, argv.data(), command.env ? env.data() : environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attr);
  if (rc == ETXTBSY) return make_error(Errc::unavailable, "exec " + command.argv[0] + ": text file busy");
  if (rc != 0) return errno_error(rc, "exec " + command.argv[0]);
  return pid;
}

Result<Child> start(const Command& command) {
  if (command.argv.empty()) return make_error(Errc::invalid_argument, "exec: empty command");
  TRY(Pipe in, make_pipe());
  TRY(Pipe out, make_pipe());
  TRY(Pipe err, make_pipe());
  Child child;
  TRY(child.pid, spawn(command, in, out, err));
  child.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.pidfd) {
    const int saved = errno;
    kill_and_reap(child.pid);
    return errno_error(saved, "pidfd_open");
  }
  child.in = std::move(in.write);
  child.out = std::move(out.read);
  child.err = std::move(err.read);
  return child;
}

Awaitable<void> feed(Descriptor& in, const std::string& data) {
  if (!data.empty()) co_await asio::async_write(in, asio::buffer(data), asio::as_tuple(asio::use_awaitable));
  boost::system::error_code ignored;
  in.close(ignored);
}

Awaitable<void> drain(Descriptor& from, std::string& into, std::size_t limit) {
  char buffer[4096];
  for (;;) {
    const auto [ec, n] = co_await from.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (ec) co_return;
    into.append(buffer, std::min(n, limit - std::min(limit, into.size())));
  }
}

void take_status(pid_t pid, CommandResult& result) {
  int status = 0;
  pid_t rc;
  while ((rc = ::waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
  }
  if (rc < 0) return;
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
}

// Ends what is left of the group whichever way the coroutine is left; a process that is reaped already is not touched.
struct GroupGuard {
  pid_t pid;
  bool reaped = false;
  ~GroupGuard() {
    if (!reaped) kill_and_reap(pid);
  }
};

}  // namespace

std::string CommandResult::describe() const {
  std::string what = timed_out ? "timed out" : signal ? "killed by signal " + std::to_string(signal)
                                                      : "exit code " + std::to_string(exit_code);
  std::string tail = err.empty() ? out : err;
  while (!tail.empty() && (tail.back() == '\n' || tail.back() == ' ')) tail.pop_back();
  if (tail.size() > 1024) tail.erase(0, tail.size() - 1024);
  return tail.empty() ? what : what + ": " + tail;
}

Awaitable<Result<CommandResult>> run_command(Command command) {
  CO_TRY(Child child, start(command));
  const Executor executor = co_await asio::this_coro::executor;
  CommandResult result;
  GroupGuard guard{child.pid};
  Descriptor pidfd(executor, child.pidfd.release()), in(executor, child.in.release()),
      out(executor, child.out.release()), err(executor, child.err.release());
  TaskGroup io(executor);
  in.non_blocking(true);
  io.spawn("subprocess stdin", feed(in, command.stdin_data));
  io.spawn("subprocess stdout", drain(out, result.out, command.max_output));
  io.spawn("subprocess stderr", drain(err, result.err, command.max_output));

  asio::steady_timer timer(executor);
  bool timed_out = false;
  if (command.timeout) {
    timer.expires_after(*command.timeout);
    timer.async_wait([&timed_out, pid = child.pid](const boost::system::error_code& ec) {
      if (ec) return;
      timed_out = true;
      ::kill(-pid, SIGKILL);
    });
  }
  co_await pidfd.async_wait(Descriptor::wait_read, asio::use_awaitable);
  timer.cancel();
  // The leader is gone; what it left behind in its group must not hold our pipes open when the time was up.
  take_status(child.pid, result);
  guard.reaped = true;
  result.timed_out = timed_out;
  boost::system::error_code ignored;
  in.close(ignored);
  asio::steady_timer grace(executor);
  grace.expires_after(timed_out ? Milliseconds(0) : Milliseconds(200));
  grace.async_wait([&io](const boost::system::error_code& ec) {
    if (!ec) io.cancel();
  });
  co_await io.join();
  grace.cancel();
  co_return result;
}

}  // namespace keelson
