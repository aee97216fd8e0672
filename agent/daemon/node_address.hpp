// The node's own addresses, where none are given.
#pragma once

#include <string>
#include <vector>

namespace keelson::agent {

// What is known about where this node may be reached; texts of addresses.
struct AddressSources {
  std::string hostname;                // the node's name, which may itself be an address
  std::vector<std::string> looked_up;  // what the resolver says of it
  std::vector<std::string> local;      // of this machine's interfaces
  std::vector<std::string> by_route;   // source addresses of the default routes, at most one of each family
};

// The primary address first, then one of the other family that a default route has. The primary is, in upstream's
// order: the name, where it is an address; an address that the name resolves to and that this machine has (neither
// loopback, multicast, link-local nor unspecified; IPv4 before IPv6); that of the default route. Without any of them
// the first address of an interface that is no loopback, and 127.0.0.1 at last. Pure.
// (kl/nodestatus/setters.go NodeAddress, kl/kubelet_node_status.go validateNodeIP)
[[nodiscard]] std::vector<std::string> choose_node_ips(const AddressSources& sources);

// The same of this machine. `resolve`: ask the resolver for `hostname`, which may take 3 s where it does not answer.
[[nodiscard]] std::vector<std::string> find_node_ips(const std::string& hostname, bool resolve);

}  // namespace keelson::agent
