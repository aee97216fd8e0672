// The node's own addresses, where none are given.
#pragma once

#include <string>
#include <vector>

namespace keelson::agent {

// The source address of the default route, IPv4 first, then IPv6 where there is one; without any route the first
// address of an interface that is up; 127.0.0.1 when there is none at all. (kl/nodestatus/setters.go, last step)
[[nodiscard]] std::vector<std::string> find_node_ips();

}  // namespace keelson::agent
