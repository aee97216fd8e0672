#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netfilter/nfnl.h>
#include <netlink/netlink.h>

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "proxy/conntrack.hpp"

namespace keelson::proxy {
namespace {

constexpr int kDumps = 4;              // attempts, while dumps are cut short
constexpr int kReceiveRoom = 1 << 20;  // bytes that the kernel may be ahead of us
constexpr std::size_t kMessageRoom = 1 << 16;
constexpr std::uint32_t kFilterProtocol = 1u << 3;  // CTA_FILTER_F_CTA_PROTO_NUM of net/netfilter/nf_internals.h

struct SocketDeleter {
  void operator()(nl_sock* s) const { ::nl_socket_free(s); }
};
using Socket = std::unique_ptr<nl_sock, SocketDeleter>;
struct MessageDeleter {
  void operator()(nl_msg* m) const { ::nlmsg_free(m); }
};
using Message = std::unique_ptr<nl_msg, MessageDeleter>;

// What names one entry to the kernel: the attributes as they came.
struct EntryName {
  std::vector<std::uint8_t> tuple, zone;
  std::optional<std::uint32_t> id;  // in the kernel's order
};

struct Search {
  const StaleFlows& stale;
  int family;
  Protocol protocol;
  std::vector<EntryName> found;
};

int protocol_number(Protocol protocol) {
  return protocol == Protocol::udp ? IPPROTO_UDP : protocol == Protocol::sctp ? IPPROTO_SCTP : IPPROTO_TCP;
}

Error failure(const char* what, int code) {
  return make_error(Errc::io, std::string(what) + ": " + ::nl_geterror(code));
}

Result<Socket> open_socket() {
  Socket socket(::nl_socket_alloc());
  if (!socket) return make_error(Errc::resource_exhausted, "netlink socket: out of memory");
  if (const int rc = ::nfnl_connect(socket.get()); rc < 0) return failure("netlink socket", rc);
  ::nl_socket_set_buffer_size(socket.get(), kReceiveRoom, 0);
  ::nl_socket_set_msg_buf_size(socket.get(), kMessageRoom);
  return socket;
}

std::optional<IpAddress> address(nlattr* v4, nlattr* v6) {
  nlattr* const from = v4 != nullptr ? v4 : v6;
  if (from == nullptr) return std::nullopt;
  return IpAddress::from_bytes(::nla_data(from), static_cast<std::size_t>(::nla_len(from)));
}

struct Tuple {
  int protocol = 0;
  FlowTarget source, destination;
};

std::optional<Tuple> read_tuple(nlattr* attribute) {
  std::array<nlattr*, CTA_TUPLE_MAX + 1> parts{};
  std::array<nlattr*, CTA_IP_MAX + 1> ip{};
  std::array<nlattr*, CTA_PROTO_MAX + 1> proto{};
  if (attribute == nullptr || ::nla_parse_nested(parts.data(), CTA_TUPLE_MAX, attribute, nullptr) < 0 ||
      parts[CTA_TUPLE_IP] == nullptr || parts[CTA_TUPLE_PROTO] == nullptr ||
      ::nla_parse_nested(ip.data(), CTA_IP_MAX, parts[CTA_TUPLE_IP], nullptr) < 0 ||
      ::nla_parse_nested(proto.data(), CTA_PROTO_MAX, parts[CTA_TUPLE_PROTO], nullptr) < 0) {
    return std::nullopt;
  }
  const auto source = address(ip[CTA_IP_V4_SRC], ip[CTA_IP_V6_SRC]);
  const auto destination = address(ip[CTA_IP_V4_DST], ip[CTA_IP_V6_DST]);
  if (!source || !destination || proto[CTA_PROTO_NUM] == nullptr || proto[CTA_PROTO_SRC_PORT] == nullptr ||
      proto[CTA_PROTO_DST_PORT] == nullptr) {
    return std::nullopt;
  }
  return Tuple{::nla_get_u8(proto[CTA_PROTO_NUM]),
               {*source, ntohs(::nla_get_u16(proto[CTA_PROTO_SRC_PORT]))},
               {*destination, ntohs(::nla_get_u16(proto[CTA_PROTO_DST_PORT]))}};
}

std::vector<std::uint8_t> copy_of(nlattr* attribute) {
  if (attribute == nullptr) return {};
  const auto* data = static_cast<const std::uint8_t*>(::nla_data(attribute));
  return {data, data + ::nla_len(attribute)};
}

// Keeps only what will be deleted: the whole table may hold hundreds of thousands of entries.
int look_at(nl_msg* message, void* argument) {
  auto& search = *static_cast<Search*>(argument);
  std::array<nlattr*, CTA_MAX + 1> parts{};
  nlmsghdr* const header = ::nlmsg_hdr(message);
  if (::nfnlmsg_family(header) != search.family ||
      ::nlmsg_parse(header, sizeof(nfgenmsg), parts.data(), CTA_MAX, nullptr) < 0) {
    return NL_OK;
  }
  const auto there = read_tuple(parts[CTA_TUPLE_ORIG]), back = read_tuple(parts[CTA_TUPLE_REPLY]);
  if (!there || !back || there->protocol != protocol_number(search.protocol)) return NL_OK;
  if (!search.stale.is_stale({search.protocol, there->destination, back->source})) return NL_OK;
  EntryName name{copy_of(parts[CTA_TUPLE_ORIG]), copy_of(parts[CTA_ZONE]), {}};
  if (parts[CTA_ID] != nullptr) name.id = ::nla_get_u32(parts[CTA_ID]);
  search.found.push_back(std::move(name));
  return NL_OK;
}

Message new_message(int type, int flags, int family) {
  Message message(::nfnlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK, type, flags, static_cast<std::uint8_t>(family), 0));
  return message;
}

// Asks for entries of the protocol alone: a filter on the original tuple's protocol number.
bool add_filter(nl_msg* message, Protocol protocol) {
  nlattr* const tuple = ::nla_nest_start(message, CTA_TUPLE_ORIG | NLA_F_NESTED);
  nlattr* const proto = tuple == nullptr ? nullptr : ::nla_nest_start(message, CTA_TUPLE_PROTO | NLA_F_NESTED);
  if (proto == nullptr) return false;
  bool ok = ::nla_put_u8(message, CTA_PROTO_NUM, static_cast<std::uint8_t>(protocol_number(protocol))) >= 0;
  ::nla_nest_end(message, proto);
  ::nla_nest_end(message, tuple);
  nlattr* const filter = ::nla_nest_start(message, CTA_FILTER | NLA_F_NESTED);
  if (filter == nullptr) return false;
  ok = ok && ::nla_put_u32(message, CTA_FILTER_ORIG_FLAGS, kFilterProtocol) >= 0 &&
       ::nla_put_u32(message, CTA_FILTER_REPLY_FLAGS, 0) >= 0;
  ::nla_nest_end(message, filter);
  return ok;
}

// libnl's code of the dump's end: 0 when it was whole.
Result<int> dump(Search& search, bool filtered) {
  TRY(const Socket socket, open_socket());
  ::nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, &look_at, &search);
  const Message message = new_message(IPCTNL_MSG_CT_GET, NLM_F_DUMP, search.family);
  if (!message || (filtered && !add_filter(message.get(), search.protocol))) {
    return make_error(Errc::resource_exhausted, "reading conntrack: out of memory");
  }
  if (const int rc = ::nl_send_auto(socket.get(), message.get()); rc < 0) return failure("reading conntrack", rc);
  return ::nl_recvmsgs_default(socket.get());
}

Result<std::size_t> delete_all(int family, const std::vector<EntryName>& entries) {
  if (entries.empty()) return std::size_t{0};
  TRY(const Socket socket, open_socket());
  std::size_t removed = 0;
  for (const EntryName& entry : entries) {
    const Message message = new_message(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family);
    bool ok = message && ::nla_put(message.get(), CTA_TUPLE_ORIG | NLA_F_NESTED, static_cast<int>(entry.tuple.size()),
                                   entry.tuple.data()) >= 0;
    if (ok && !entry.zone.empty()) {
      ok = ::nla_put(message.get(), CTA_ZONE, static_cast<int>(entry.zone.size()), entry.zone.data()) >= 0;
    }
    if (ok && entry.id) ok = ::nla_put_u32(message.get(), CTA_ID, *entry.id) >= 0;
    if (!ok) return make_error(Errc::resource_exhausted, "deleting a conntrack entry: out of memory");
    int rc = ::nl_send_auto(socket.get(), message.get());
    if (rc >= 0) rc = ::nl_wait_for_ack(socket.get());
    if (rc < 0 && rc != -NLE_OBJ_NOTFOUND) return failure("deleting a conntrack entry", rc);
    if (rc >= 0) ++removed;
  }
  return removed;
}

bool was_cut(int code) { return code == -NLE_DUMP_INTR || code == -NLE_INTR || code == -NLE_NOMEM; }

Result<std::size_t> remove_of_protocol(Family family, const StaleFlows& stale, Protocol protocol) {
  const int number = family == Family::ipv4 ? AF_INET : AF_INET6;
  std::size_t removed = 0;
  bool filtered = true;
  for (int attempt = 0; attempt < kDumps; ++attempt) {
    Search search{stale, number, protocol, {}};
    TRY(const int ended, dump(search, filtered));
    // What a dump that was cut has shown is as good as what a whole one shows.
    TRY(const std::size_t now, delete_all(number, search.found));
    removed += now;
    if (ended >= 0) return removed;
    if (was_cut(ended)) continue;
    if (!filtered) return failure("reading conntrack", ended);
    filtered = false;  // a kernel that knows filters but not this one
  }
  return make_error(Errc::unavailable, "reading conntrack: the table changes too fast");
}

}  // namespace

Result<std::size_t> remove_stale_flows(Family family, const StaleFlows& stale) {
  std::size_t removed = 0;
  for (const Protocol protocol : {Protocol::udp, Protocol::sctp}) {
    if (!stale.concerns(protocol)) continue;
    TRY(const std::size_t now, remove_of_protocol(family, stale, protocol));
    removed += now;
  }
  return removed;
}

}  // namespace keelson::proxy
