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
#include <memory>

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
  // Not every library opens with CLOEXEC: a program that outlives us must not hold our listening sockets.
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
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

// A program that ends without reading its stdin must be an EPIPE for us, not our end. Children get the default back.
void ignore_sigpipe() {
  struct sigaction now {};
  if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
}

Result<Child> start(const Command& command) {
  static const bool sigpipe_ignored = (ignore_sigpipe(), true);
  static_cast<void>(sigpipe_ignored);
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

// What the coroutine and its readers share. Owned by all of them: when the caller is cancelled the coroutine is gone at
// once, while completions of its reads and timers are still on their way.
struct Run {
  Run(const Executor& executor, Child child, Command c)
      : command(std::move(c)),
        pid(child.pid),
        pidfd(executor, child.pidfd.release()),
        in(executor, child.in.release()),
        out(executor, child.out.release()),
        err(executor, child.err.release()),
        timer(executor),
        io(executor) {}
  Command command;
  CommandResult result;
  pid_t pid;
  bool reaped = false;
  Descriptor pidfd, in, out, err;
  asio::steady_timer timer;
  TaskGroup io;
};

Awaitable<void> feed(std::shared_ptr<Run> run) {
  const auto buffer = asio::buffer(run->command.stdin_data);
  if (buffer.size() > 0) co_await asio::async_write(run->in, buffer, asio::as_tuple(asio::use_awaitable));
  boost::system::error_code ignored;
  run->in.close(ignored);
}

Awaitable<void> drain(std::shared_ptr<Run> run, Descriptor& from, std::string& into) {
  char buffer[4096];
  const std::size_t limit = run->command.max_output;
  for (;;) {
    const auto [ec, n] = co_await from.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (ec) co_return;
    into.append(buffer, std::min(n, limit - std::min(limit, into.size())));
  }
}

// Reaps the program if it has ended; false while it runs.
bool take_status(pid_t pid, CommandResult& result) {
  int status = 0;
  pid_t rc;
  while ((rc = ::waitpid(pid, &status, WNOHANG)) < 0 && errno == EINTR) {
  }
  if (rc == 0) return false;
  if (rc > 0 && WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (rc > 0 && WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return true;
}

// Ends what is left whichever way the coroutine is left: the group of a process that is not reaped yet, the readers.
struct RunGuard {
  std::shared_ptr<Run> run;
  ~RunGuard() {
    if (!run->reaped) kill_and_reap(run->pid);
    run->reaped = true;
    run->timer.cancel();
    run->io.cancel();
  }
};

// Kills the group when the time is up.
void arm_timeout(const std::shared_ptr<Run>& run, Milliseconds timeout) {
  run->timer.expires_after(timeout);
  run->timer.async_wait([run](const boost::system::error_code& ec) {
    if (ec || run->reaped) return;
    run->result.timed_out = true;
    ::kill(-run->pid, SIGKILL);
  });
}

// Stops the readers when something that the program left behind holds its pipes open.
void arm_grace(const std::shared_ptr<Run>& run, Milliseconds grace) {
  run->timer.expires_after(grace);
  run->timer.async_wait([run](const boost::system::error_code& ec) {
    if (!ec) run->io.cancel();
  });
}

}  // namespace

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& more) {
  std::vector<std::string> out;
  for (char** variable = environ; *variable != nullptr; ++variable) out.emplace_back(*variable);
  for (const auto& [name, value] : more) {
    const std::string prefix = name + "=";
    std::erase_if(out, [&](const std::string& entry) { return entry.starts_with(prefix); });
    out.push_back(prefix + value);
  }
  return out;
}

std::string CommandResult::describe() const {
  std::string what = timed_out ? "timed out"
                     : signal  ? "killed by signal " + std::to_string(signal)
                               : "exit code " + std::to_string(exit_code);
  std::string tail = err.empty() ? out : err;
  while (!tail.empty() && (tail.back() == '\n' || tail.back() == ' ')) tail.pop_back();
  if (tail.size() > 1024) tail.erase(0, tail.size() - 1024);
  return tail.empty() ? what : what + ": " + tail;
}

Awaitable<Result<CommandResult>> run_command(Command command) {
  const Executor executor = co_await asio::this_coro::executor;
  CO_TRY(Child child, start(command));
  const auto run = std::make_shared<Run>(executor, std::move(child), std::move(command));
  const RunGuard guard{run};
  run->in.non_blocking(true);
  run->io.spawn("subprocess stdin", feed(run));
  run->io.spawn("subprocess stdout", drain(run, run->out, run->result.out));
  run->io.spawn("subprocess stderr", drain(run, run->err, run->result.err));
  if (run->command.timeout) arm_timeout(run, *run->command.timeout);
  // Asio's wait may end early: an event of a descriptor just closed can reach the one that took over its place.
  do {
    co_await run->pidfd.async_wait(Descriptor::wait_read, asio::use_awaitable);
  } while (!take_status(run->pid, run->result));
  run->reaped = true;
  boost::system::error_code ignored;
  run->in.close(ignored);
  arm_grace(run, run->result.timed_out ? Milliseconds(0) : Milliseconds(200));
  co_await run->io.join();
  co_return std::move(run->result);
}

}  // namespace keelson
