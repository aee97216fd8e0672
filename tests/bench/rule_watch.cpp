// rule_watch: tells when an address first stands in the packet filter of its network namespace, by the kernel's own
// events (NFNLGRP_NFTABLES), whoever writes the rules and in whichever form: iptables-nft, nft, netlink. For each IPv4
// address of --prefix it prints "ADDRESS NANOSECONDS" (CLOCK_MONOTONIC) once; first of all "ready".
// Events are sent when a transaction has been committed, so the rule is in force by then.
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <unordered_set>
#include <vector>

namespace {

long long now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

int open_events() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) return -1;
  const int room = 512 << 20;  // a full sync of 10,000 Services in one transaction; taken up as it fills
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  const int group = NFNLGRP_NFTABLES;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof own) != 0 ||
      ::setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    return -1;
  }
  return fd;
}

class Finder {
 public:
  Finder(std::uint32_t prefix, int bits) : prefix_(prefix), mask_(bits == 0 ? 0 : ~0U << (32 - bits)) {}

  // Addresses stand in network order at any offset: in nat ranges, registers, set elements.
  void look(const std::uint8_t* data, std::size_t size, long long time) {
    const auto first = static_cast<int>(prefix_ >> 24);  // --prefix has at least 8 bits
    const std::uint8_t* const end = data + size;
    while (end - data >= 4) {
      data = static_cast<const std::uint8_t*>(std::memchr(data, first, static_cast<std::size_t>(end - data) - 3));
      if (data == nullptr) return;
      std::uint32_t address = 0;
      std::memcpy(&address, data, 4);
      address = ntohl(address);
      if ((address & mask_) == prefix_ && seen_.insert(address).second) print(address, time);
      ++data;
    }
  }

 private:
  static void print(std::uint32_t address, long long time) {
    std::printf("%u.%u.%u.%u %lld\n", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255, time);
  }
  std::uint32_t prefix_, mask_;
  std::unordered_set<std::uint32_t> seen_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Prints when addresses first stand in the packet filter.");
  std::string prefix = "10.244.0.0";
  int bits = 14;
  app.add_option("--prefix", prefix, "network address");
  app.add_option("--bits", bits)->check(CLI::Range(8, 32));
  CLI11_PARSE(app, argc, argv);
  in_addr network{};
  if (::inet_pton(AF_INET, prefix.c_str(), &network) != 1) return 2;
  const int fd = open_events();
  if (fd < 0) {
    std::perror("rule_watch: netlink");
    return 1;
  }
  Finder finder(ntohl(network.s_addr), bits);
  std::puts("ready");
  std::fflush(stdout);
  std::vector<std::uint8_t> buffer(1 << 20);
  for (;;) {
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 || static_cast<std::size_t>(size) > buffer.size()) {  // lost events would be waited for in vain
      std::perror("rule_watch: events lost");
      return 1;
    }
    finder.look(buffer.data(), static_cast<std::size_t>(size), now());
    // Everything that is there is printed before it waits again.
    char more = 0;
    if (::recv(fd, &more, 1, MSG_PEEK | MSG_DONTWAIT) < 0) std::fflush(stdout);
  }
}
