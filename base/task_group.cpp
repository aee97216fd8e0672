#include "base/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <utility>

#include "base/log.hpp"

namespace keelson {
namespace {

// The exception's text, or empty where it only says that the task was cancelled.
std::string describe(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& e) {
    return e.code() == asio::error::operation_aborted ? std::string() : std::string(e.what());
  } catch (const asio::multiple_exceptions& e) {  // of operator&& and operator||: the others were cancelled for the first
    return describe(e.first_exception());
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown exception";
  }
}

}  // namespace

struct TaskGroup::State {
  explicit State(const Executor& executor) : changed(executor) {}
  std::list<asio::cancellation_signal> signals;
  Notifier changed;
};

TaskGroup::TaskGroup(Executor executor) : executor_(std::move(executor)), state_(std::make_shared<State>(executor_)) {}

TaskGroup::~TaskGroup() { cancel(); }

void TaskGroup::spawn(std::string name, Awaitable<void> task) {
  auto state = state_;
  state->signals.emplace_back();
  const auto it = std::prev(state->signals.end());
  auto done = [state, it, name = std::move(name)](const std::exception_ptr& error) {
    if (error) {
      if (const auto text = describe(error); !text.empty()) log_error("task failed", {{"task", name}, {"error", text}});
    }
    state->signals.erase(it);
    state->changed.notify();
  };
  asio::co_spawn(executor_, std::move(task), asio::bind_cancellation_slot(it->slot(), std::move(done)));
}

void TaskGroup::cancel() {
  auto state = state_;
  // A cancelled task may end at once and erase its signal: step past it first.
  for (auto it = state->signals.begin(); it != state->signals.end();) (it++)->emit(asio::cancellation_type::terminal);
}

Awaitable<void> TaskGroup::join() {
  auto state = state_;
  while (!state->signals.empty()) co_await state->changed.wait();
}

std::size_t TaskGroup::size() const { return state_->signals.size(); }

}  // namespace keelson
