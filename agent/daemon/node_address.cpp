#include "agent/daemon/node_address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <thread>

#include "base/chrono.hpp"
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

using proxy::Family;
using proxy::IpAddress;

// What the resolver says. It cannot be told to hurry: the thread is left behind where it hangs.
std::vector<std::string> look_up(const std::string& name, Milliseconds patience) {
  auto answer = std::make_shared<std::promise<std::vector<std::string>>>();
  auto ready = answer->get_future();
  std::thread([answer, name] {
    std::vector<std::string> out;
    addrinfo hints{}, *list = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &list) == 0) {
      char text[NI_MAXHOST];
      for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
        if (::getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) {
          out.emplace_back(text);
        }
      }
      ::freeaddrinfo(list);
    }
    answer->set_value(std::move(out));
  }).detach();
  if (ready.wait_for(patience) != std::future_status::ready) return {};
  return ready.get();
}

// Whether others may be able to reach it.
bool is_usable(const IpAddress& ip) {
  constexpr const char* kNever[] = {"0.0.0.0/32", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4",
                                    "::/128",     "::1/128",     "fe80::/10",      "ff00::/8"};
  return std::none_of(std::begin(kNever), std::end(kNever),
                      [&](const char* never) { return proxy::IpPrefix::parse(never)->contains(ip); });
}

std::optional<IpAddress> first_fitting(const std::vector<std::string>& candidates,
                                       const std::vector<std::string>& local) {
  std::optional<IpAddress> out;
  for (const auto& text : candidates) {
    const auto ip = IpAddress::parse(text);
    if (!ip || !is_usable(*ip) || std::find(local.begin(), local.end(), ip->to_string()) == local.end()) continue;
    if (ip->family() == Family::ipv4) return ip;
    if (!out) out = ip;
  }
  return out;
}

}  // namespace

std::vector<std::string> choose_node_ips(const AddressSources& sources) {
  auto primary = IpAddress::parse(sources.hostname);
  if (!primary) primary = first_fitting(sources.looked_up, sources.local);
  std::vector<std::string> out;
  if (primary) out.push_back(primary->to_string());
  for (const auto& text : sources.by_route) {
    const auto ip = IpAddress::parse(text);
    if (ip && (!primary || ip->family() != primary->family())) out.push_back(text);
  }
  if (!out.empty()) return out;
  for (const auto& text : sources.local) {
    if (const auto ip = IpAddress::parse(text); ip && !ip->is_loopback()) return {text};
  }
  return {"127.0.0.1"};
}

std::vector<std::string> find_node_ips(const std::string& hostname, bool resolve) {
  AddressSources sources{.hostname = hostname};
  if (resolve && !IpAddress::parse(hostname)) sources.looked_up = look_up(hostname, Seconds(3));
  for (const auto& ip : proxy::interface_addresses()) sources.local.push_back(ip.to_string());
  if (auto ip = source_towards(AF_INET, "192.0.2.1"); !ip.empty()) sources.by_route.push_back(std::move(ip));
  if (auto ip = source_towards(AF_INET6, "2001:db8::1"); !ip.empty()) sources.by_route.push_back(std::move(ip));
  return choose_node_ips(sources);
}

}  // namespace keelson::agent
