#include "proxy/kernel_family.hpp"

#include <unistd.h>

namespace keelson::proxy {

bool kernel_has(Family family) { return family == Family::ipv4 || ::access("/proc/net/if_inet6", F_OK) == 0; }

}  // namespace keelson::proxy
