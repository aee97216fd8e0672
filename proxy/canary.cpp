// Is a chain there? Asked from the kernel directly. An iptables process every 30 s would be most of what an idle agent
// costs; and the nftables event stream, the other way to see a flush, would also bring every rule we write ourselves
// (and overflow in a full sync), and does not exist for iptables-legacy.
#include <netinet/in.h>  // before linux/in.h, which then steps back

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "base/unique_fd.hpp"
#include "proxy/iptables_runner.hpp"

namespace keelson::proxy {
namespace {

Error nl_failure(const char* what, int code) {
  return make_error(Errc::io, std::string(what) + ": " + ::nl_geterror(code));
}

// The table's entries as the kernel hands them out, or errno.
template <class Info, class Get>
Result<std::vector<char>> legacy_entries(int domain, int level, int info_option, int entries_option,
                                         const char* table) {
  const UniqueFd fd(::socket(domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!fd) return errno_error(errno, "raw socket");
  Info info{};
  std::strncpy(info.name, table, sizeof info.name - 1);
  socklen_t size = sizeof info;
  if (::getsockopt(fd.get(), level, info_option, &info, &size) != 0) return errno_error(errno, "reading table info");
  std::vector<char> blob(sizeof(Get) + info.size);
  auto* get = reinterpret_cast<Get*>(blob.data());
  std::strncpy(get->name, table, sizeof get->name - 1);
  get->size = info.size;
  size = static_cast<socklen_t>(blob.size());
  if (::getsockopt(fd.get(), level, entries_option, get, &size) != 0) return errno_error(errno, "reading table");
  return blob;
}

}  // namespace

Result<bool> nft_chain_exists(Family family, const char* table, const char* chain) {
  const std::unique_ptr<nl_sock, decltype(&::nl_socket_free)> sock(::nl_socket_alloc(), &::nl_socket_free);
  if (!sock) return make_error(Errc::resource_exhausted, "netlink socket: out of memory");
  if (const int rc = ::nl_connect(sock.get(), NETLINK_NETFILTER); rc < 0) return nl_failure("netlink socket", rc);
  const int type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
  const std::unique_ptr<nl_msg, decltype(&::nlmsg_free)> msg(::nlmsg_alloc_simple(type, NLM_F_REQUEST), &::nlmsg_free);
  nfgenmsg header{};
  header.nfgen_family = family == Family::ipv4 ? AF_INET : AF_INET6;
  header.version = NFNETLINK_V0;
  if (!msg || ::nlmsg_append(msg.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0 ||
      ::nla_put_string(msg.get(), NFTA_CHAIN_TABLE, table) < 0 ||
      ::nla_put_string(msg.get(), NFTA_CHAIN_NAME, chain) < 0) {
    return make_error(Errc::resource_exhausted, "netlink message: out of memory");
  }
  if (const int rc = ::nl_send_auto(sock.get(), msg.get()); rc < 0) return nl_failure("asking for a chain", rc);
  const int rc = ::nl_wait_for_ack(sock.get());
  if (rc == -NLE_OBJ_NOTFOUND) return false;
  if (rc < 0) return nl_failure("asking for a chain", rc);
  return true;
}

Result<bool> legacy_chain_exists(Family family, const char* table, const char* chain) {
  auto blob = family == Family::ipv4 ? legacy_entries<ipt_getinfo, ipt_get_entries>(
                                           AF_INET, IPPROTO_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES, table)
                                     : legacy_entries<ip6t_getinfo, ip6t_get_entries>(
                                           AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES, table);
  if (!blob) return blob.error();
  // A chain's head is an entry whose target is ERROR, with the chain's name as its text.
  return ::memmem(blob->data(), blob->size(), chain, std::strlen(chain) + 1) != nullptr;
}

}  // namespace keelson::proxy
