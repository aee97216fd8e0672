// Owner of background coroutines: nothing in the project runs detached. A task that throws is logged by name and ends;
// the daemon goes on. Lives on the loop's thread.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <list>
#include <memory>
#include <string>

#include "base/notifier.hpp"

namespace keelson {

class TaskGroup {
 public:
  explicit TaskGroup(Executor executor);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Starts `task`; `name` is what the log shows if it throws.
  void spawn(std::string name, Awaitable<void> task);
  // Asks every task to stop: its current wait throws operation_aborted.
  void cancel();
  // Returns when no task is left. Call cancel() first unless the tasks end by themselves.
  Awaitable<void> join();

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] const Executor& executor() const { return executor_; }

 private:
  struct State;
  Executor executor_;
  std::shared_ptr<State> state_;
};

}  // namespace keelson
