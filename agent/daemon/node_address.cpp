#include "agent/daemon/node_address.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/unique_fd.hpp"
#include "proxy/config.hpp"

namespace keelson::agent {
namespace {

// Connecting a UDP socket sends nothing; it makes the kernel choose route and source.
std::string source_towards(int family, const char* destination) {
  UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return {};
  sockaddr_storage peer{}, local{};
  socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  void* address = family == AF_INET ? static_cast<void*>(&reinterpret_cast<sockaddr_in*>(&peer)->sin_addr)
                                    : static_cast<void*>(&reinterpret_cast<sockaddr_in6*>(&peer)->sin6_addr);
  peer.ss_family = static_cast<sa_family_t>(family);
  reinterpret_cast<sockaddr_in*>(&peer)->sin_port = htons(9);
  if (::inet_pton(family, destination, address) != 1) return {};
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&peer), size) != 0) return {};
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &size) != 0) return {};
  char text[INET6_ADDRSTRLEN] = {};
  const void* source = family == AF_INET ? static_cast<void*>(&reinterpret_cast<sockaddr_in*>(&local)->sin_addr)
                                         : static_cast<void*>(&reinterpret_cast<sockaddr_in6*>(&local)->sin6_addr);
  return ::inet_ntop(family, source, text, sizeof text) != nullptr ? text : "";
}

}  // namespace

std::vector<std::string> find_node_ips() {
  std::vector<std::string> out;
  if (auto ip = source_towards(AF_INET, "192.0.2.1"); !ip.empty()) out.push_back(std::move(ip));
  if (auto ip = source_towards(AF_INET6, "2001:db8::1"); !ip.empty()) out.push_back(std::move(ip));
  if (!out.empty()) return out;
  for (const auto& ip : proxy::interface_addresses()) {
    if (!ip.is_loopback()) return {ip.to_string()};
  }
  return {"127.0.0.1"};
}

}  // namespace keelson::agent
