// Names for the time types of the project, apart from async.hpp so that plain types need no Asio.
#pragma once

#include <chrono>

namespace keelson {

using SteadyTime = std::chrono::steady_clock::time_point;
using SystemTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;
using Nanoseconds = std::chrono::nanoseconds;
using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

}  // namespace keelson
