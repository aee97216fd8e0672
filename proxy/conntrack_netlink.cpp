#include <netinet/in.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netfilter/ct.h>
#include <netlink/netfilter/nfnl.h>
#include <netlink/netlink.h>

#include <memory>
#include <optional>
#include <vector>

#include "proxy/conntrack.hpp"

namespace keelson::proxy {
namespace {

struct SocketDeleter {
  void operator()(nl_sock* s) const { ::nl_socket_free(s); }
};
using Socket = std::unique_ptr<nl_sock, SocketDeleter>;
struct FlowDeleter {
  void operator()(nfnl_ct* ct) const { ::nfnl_ct_put(ct); }
};
using Flow = std::unique_ptr<nfnl_ct, FlowDeleter>;

struct Search {
  const StaleUdp& stale;
  int family;
  std::vector<Flow> found;
};

Error failure(const char* what, int code) {
  return make_error(Errc::io, std::string(what) + ": " + ::nl_geterror(code));
}

Result<Socket> open_socket() {
  Socket socket(::nl_socket_alloc());
  if (!socket) return make_error(Errc::resource_exhausted, "netlink socket: out of memory");
  if (const int rc = ::nfnl_connect(socket.get()); rc < 0) return failure("netlink socket", rc);
  return socket;
}

std::optional<IpAddress> address(const nl_addr* addr) {
  if (addr == nullptr) return std::nullopt;
  return IpAddress::from_bytes(::nl_addr_get_binary_addr(addr), ::nl_addr_get_len(addr));
}

// Keeps only what will be deleted: the whole table may hold hundreds of thousands of entries.
int look_at(nl_msg* message, void* argument) {
  auto& search = *static_cast<Search*>(argument);
  nfnl_ct* raw = nullptr;
  if (::nfnlmsg_ct_parse(::nlmsg_hdr(message), &raw) < 0) return NL_OK;
  Flow flow(raw);
  if (::nfnl_ct_get_family(raw) != search.family || ::nfnl_ct_get_proto(raw) != IPPROTO_UDP) return NL_OK;
  const auto to = address(::nfnl_ct_get_dst(raw, 0)), from = address(::nfnl_ct_get_src(raw, 1));
  if (!to || !from) return NL_OK;
  const UdpFlow seen{{*to, ::nfnl_ct_get_dst_port(raw, 0)}, {*from, ::nfnl_ct_get_src_port(raw, 1)}};
  if (search.stale.is_stale(seen)) search.found.push_back(std::move(flow));
  return NL_OK;
}

}  // namespace

Result<std::size_t> remove_stale_udp(Family family, const StaleUdp& stale) {
  TRY(const Socket reader, open_socket());
  Search search{stale, family == Family::ipv4 ? AF_INET : AF_INET6, {}};
  ::nl_socket_modify_cb(reader.get(), NL_CB_VALID, NL_CB_CUSTOM, &look_at, &search);
  if (const int rc = ::nfnl_ct_dump_request(reader.get()); rc < 0) return failure("reading conntrack", rc);
  // An interrupted dump has shown most of the table; the flows that it missed are no worse off than before.
  const int rc = ::nl_recvmsgs_default(reader.get());
  if (rc < 0 && rc != -NLE_DUMP_INTR) return failure("reading conntrack", rc);
  TRY(const Socket writer, open_socket());
  std::size_t removed = 0;
  for (const Flow& flow : search.found) {
    const int deleted = ::nfnl_ct_del(writer.get(), flow.get(), 0);
    if (deleted < 0 && deleted != -NLE_OBJ_NOTFOUND) return failure("deleting a conntrack entry", deleted);
    if (deleted >= 0) ++removed;
  }
  return removed;
}

}  // namespace keelson::proxy
