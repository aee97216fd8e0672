#include "base/task_group.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "base/log.hpp"

using namespace keelson;
using boost::asio::experimental::awaitable_operators::operator&&;

namespace {

Awaitable<void> wait_for_ever(Notifier& notifier) { co_await notifier.wait(); }
Awaitable<void> both(Notifier& a, Notifier& b) { co_await (wait_for_ever(a) && wait_for_ever(b)); }

void drain(asio::io_context& loop) {
  loop.restart();
  while (loop.poll() > 0) {
  }
}

// Lines that the log begins while this lives.
struct Lines {
  Lines() {
    before_log_line([this] { ++count; });
  }
  ~Lines() { before_log_line({}); }
  int count = 0;
};

}  // namespace

TEST_CASE("a cancelled task is no failed one, also where it waited for two things at once", "[task_group]") {
  asio::io_context loop;
  Notifier a(loop.get_executor()), b(loop.get_executor()), c(loop.get_executor());
  TaskGroup tasks(loop.get_executor());
  const Lines lines;
  tasks.spawn("one", wait_for_ever(a));
  drain(loop);
  tasks.spawn("both", both(b, c));
  drain(loop);
  CHECK(tasks.size() == 2);
  tasks.cancel();
  drain(loop);
  CHECK(tasks.size() == 0);
  CHECK(lines.count == 0);
}
