// What the machine calls itself.
#pragma once

#include <string>

namespace keelson {

// The host name as a node's name is made of it: trimmed, in lower case.
[[nodiscard]] std::string host_name();

}  // namespace keelson
