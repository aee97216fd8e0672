// Names for the Asio types every asynchronous interface of the project uses. One io_context, one thread; see loop.hpp.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/chrono.hpp"
#include "base/result.hpp"

namespace keelson {

namespace asio = boost::asio;

using Executor = asio::any_io_executor;
template <class T = void>
using Awaitable = asio::awaitable<T>;

// Suspends the coroutine for the given time. Throws operation_aborted when the task is cancelled.
Awaitable<void> sleep_for(Nanoseconds duration);

}  // namespace keelson
