// How much is logged, while the process runs. Apart from log.hpp, which everything includes and this hardly anybody.
#pragma once

#include "base/log.hpp"

namespace keelson {

// Shows more, or less, from now on.
void set_log_level(LogLevel level);
// What init_logging() was told; info before that.
[[nodiscard]] LogLevel configured_log_level();

}  // namespace keelson
