// Which address families the kernel has.
#pragma once

#include "proxy/ip.hpp"

namespace keelson::proxy {

// IPv6 can be missing, or be switched off on the kernel's command line.
[[nodiscard]] bool kernel_has(Family family);

}  // namespace keelson::proxy
