#include "proxy/nft_watch.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "proxy/nft_message.hpp"

namespace keelson::proxy {
namespace {

constexpr int kReceiveBuffer = 1 << 20;

// In all of them the first attribute is the table's name, and the second that of the chain or set.
bool is_change(std::uint16_t type) {
  if (type >> 8 != NFNL_SUBSYS_NFTABLES) return false;
  switch (type & 0xff) {
    case NFT_MSG_NEWTABLE:
    case NFT_MSG_DELTABLE:
    case NFT_MSG_NEWCHAIN:
    case NFT_MSG_DELCHAIN:
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE:
    case NFT_MSG_NEWSET:
    case NFT_MSG_DELSET:
    case NFT_MSG_NEWSETELEM:
    case NFT_MSG_DELSETELEM:
      return true;
    default:
      return false;
  }
}

bool set_membership(int fd, int option) {
  const int group = NFNLGRP_NFTABLES;
  return ::setsockopt(fd, SOL_NETLINK, option, &group, sizeof group) == 0;
}

std::string_view text_of(const NlAttribute& a) { return a.value.substr(0, a.value.find('\0')); }

bool concerns_us(std::uint16_t type, std::string_view attributes) {
  NlAttribute table, part;
  if (!take_attribute(attributes, table) || table.type != NFTA_TABLE_NAME || text_of(table) != kNftTable) return false;
  const bool element = (type & 0xff) == NFT_MSG_NEWSETELEM || (type & 0xff) == NFT_MSG_DELSETELEM;
  return !element || !take_attribute(attributes, part) || text_of(part) != info_of(NftSet::affinity).name;
}

}  // namespace

NftForeignChanges read_notifications(std::string_view rest) {
  NftForeignChanges out;
  nlmsghdr head{};
  constexpr std::size_t kHeads = NLMSG_LENGTH(sizeof(nfgenmsg));
  while (rest.size() >= sizeof head) {
    std::memcpy(&head, rest.data(), sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > rest.size()) break;
    const std::string_view message = rest.substr(0, head.nlmsg_len);
    rest.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(head.nlmsg_len), rest.size()));
    if (message.size() < kHeads || !is_change(head.nlmsg_type)) continue;
    const auto family = static_cast<std::uint8_t>(message[sizeof head]);  // nfgen_family
    for (const Family f : kFamilies) {
      if (family == address_family(f) && concerns_us(head.nlmsg_type, message.substr(kHeads)))
        out.tables[index_of(f)] = true;
    }
  }
  return out;
}

Result<NftWatch> NftWatch::open() {
  NftWatch watch;
  watch.fd_.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  if (!watch.fd_) return errno_error(errno, "netlink socket");
  ::setsockopt(watch.fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  if (::bind(watch.fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
    return errno_error(errno, "binding a netlink socket");  // without a port it would get no notifications
  }
  if (!set_membership(watch.fd_.get(), NETLINK_ADD_MEMBERSHIP)) return errno_error(errno, "subscribing to nf_tables");
  return watch;
}

NftWatch::Pause::Pause(const NftWatch* watch) : watch_(watch) {
  if (watch_ != nullptr) set_membership(watch_->fd_.get(), NETLINK_DROP_MEMBERSHIP);
}

NftWatch::Pause::~Pause() {
  if (watch_ != nullptr) set_membership(watch_->fd_.get(), NETLINK_ADD_MEMBERSHIP);
}

// The messages of one transaction share a datagram with nobody else's, so that its first tells who made them.
void NftWatch::ignore(std::uint32_t port) const {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_pid)),  // loads are in network order
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  const sock_fprog program{4, code};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

Awaitable<Result<NftForeignChanges>> NftWatch::next() const {
  const auto executor = co_await asio::this_coro::executor;
  asio::posix::stream_descriptor readable(executor, ::dup(fd_.get()));  // closes its own when the wait is cancelled
  std::vector<char> buffer(64 << 10);
  NftForeignChanges out;
  while (!out.any()) {
    co_await readable.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    while (true) {
      const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) break;
      if (n < 0 && errno != ENOBUFS) co_return errno_error(errno, "reading nf_tables notifications");
      if (n < 0) {
        out.lost = true;
        continue;
      }
      const NftForeignChanges seen = read_notifications({buffer.data(), static_cast<std::size_t>(n)});
      for (std::size_t i = 0; i < out.tables.size(); ++i) out.tables[i] = out.tables[i] || seen.tables[i];
    }
  }
  co_return out;
}

}  // namespace keelson::proxy
