// How a daemon of ours runs, whichever: the main coroutine on the loop, and its life between start and signal.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <string_view>

#include "base/async.hpp"

namespace keelson::agent {

// Runs the loop until `main` has ended. False where it threw, which is logged: "WHO failed".
bool run_main(asio::io_context& loop, Awaitable<void> main, std::string_view who);

// Starts, and returns when one of `signals` comes, also during the start; `farewell` is logged. False where the start
// failed, which is logged. The caller keeps `signals` until it has stopped: a second one does not kill it meanwhile.
Awaitable<bool> start_until_signal(asio::signal_set& signals, Awaitable<Result<void>> start, std::string_view farewell);

}  // namespace keelson::agent
