#include "proxy/nft_kernel.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>

#include "base/blocking_pool.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "base/unique_fd.hpp"
#include "proxy/kernel_family.hpp"

namespace keelson::proxy {
namespace {

constexpr int kReceiveBuffer = 4 << 20;  // answers to a refused transaction: one for each message
constexpr int kKernelRestart = 85;       // ERESTART: the rule set has another generation than the batch names
constexpr int kAttempts = 8;
constexpr unsigned kFirstTimeout = 10;  // seconds; the kernel answers within the send

struct Answer {
  std::uint16_t type = 0;
  std::uint32_t sequence = 0;
  std::uint16_t flags = 0;
  std::string_view payload;
};

struct Refusal {
  int code = 0;  // errno
  std::uint32_t sequence = 0;
  std::uint32_t offset = 0;  // of the attribute to blame, 0: none named
  std::string text;
};

class Socket {
 public:
  static Result<Socket> open() {
    Socket s;
    s.fd_.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!s.fd_) return errno_error(errno, "netlink socket");
    const int on = 1;
    ::setsockopt(s.fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    ::setsockopt(s.fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    ::setsockopt(s.fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
    const timeval patience{kFirstTimeout, 0};
    ::setsockopt(s.fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return s;
  }

  // What notifications name its transactions by.
  Result<std::uint32_t> port() {
    sockaddr_nl own{};
    own.nl_family = AF_NETLINK;
    socklen_t size = sizeof own;
    auto* address = reinterpret_cast<sockaddr*>(&own);
    if (::bind(fd_.get(), address, sizeof own) != 0 || ::getsockname(fd_.get(), address, &size) != 0) {
      return errno_error(errno, "binding a netlink socket");
    }
    return own.nl_pid;
  }

  Result<void> send(std::initializer_list<std::string_view> parts) {
    std::vector<iovec> vectors;
    std::size_t size = 0;
    for (const std::string_view part : parts) {
      vectors.push_back({const_cast<char*>(part.data()), part.size()});
      size += part.size();
    }
    const int wanted = static_cast<int>(size + 4096);  // one message to the kernel has to fit as a whole
    if (size > kReceiveBuffer / 64) ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted);
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    msghdr message{};
    message.msg_name = &kernel;
    message.msg_namelen = sizeof kernel;
    message.msg_iov = vectors.data();
    message.msg_iovlen = vectors.size();
    while (::sendmsg(fd_.get(), &message, 0) < 0) {
      if (errno == EINTR) continue;
      const Errc code = errno == ENOBUFS || errno == ENOMEM || errno == EAGAIN ? Errc::unavailable : Errc::io;
      return make_error(code, std::string("writing to nf_tables: ") + std::strerror(errno));
    }
    return {};
  }

  // Hands every answer to `take` until it returns false, or, with `wait` false, until there is none left.
  Result<void> receive(bool wait, const std::function<bool(const Answer&)>& take) {
    std::vector<char> buffer(32 << 10);  // as much as the kernel puts into one answer
    while (true) {
      const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), wait ? 0 : MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN && !wait) return {};
      if (n < 0) {
        const Errc code = errno == ENOBUFS || errno == EAGAIN ? Errc::unavailable : Errc::io;
        return make_error(code, std::string("reading from nf_tables: ") + std::strerror(errno));
      }
      std::string_view rest(buffer.data(), static_cast<std::size_t>(n));
      nlmsghdr header{};
      while (rest.size() >= sizeof header) {
        std::memcpy(&header, rest.data(), sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) break;
        const Answer answer{header.nlmsg_type, header.nlmsg_seq, header.nlmsg_flags,
                            rest.substr(sizeof header, header.nlmsg_len - sizeof header)};
        if (!take(answer)) return {};
        rest.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
      }
    }
  }

 private:
  UniqueFd fd_;
};

std::string header(std::uint16_t type, std::uint16_t flags, std::uint8_t family, std::uint16_t resource,
                   std::size_t attributes = 0) {
  nlmsghdr head{};
  nfgenmsg generic{};
  head.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof generic) + attributes);
  head.nlmsg_type = type;
  head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  generic.nfgen_family = family;
  generic.version = NFNETLINK_V0;
  generic.res_id = htons(resource);
  std::string out(reinterpret_cast<const char*>(&head), sizeof head);
  out.append(reinterpret_cast<const char*>(&generic), sizeof generic);
  return out;
}

constexpr std::uint16_t table_message(std::uint16_t type) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

// The error in an NLMSG_ERROR; its code is 0 for an acknowledgement.
Refusal refusal_in(const Answer& answer) {
  Refusal refusal;
  nlmsgerr error{};
  if (answer.payload.size() < sizeof error) return {EPROTO, answer.sequence, 0, ""};
  std::memcpy(&error, answer.payload.data(), sizeof error);
  refusal.code = -error.error;
  refusal.sequence = answer.sequence;
  if ((answer.flags & NLM_F_ACK_TLVS) == 0) return refusal;
  const bool capped = (answer.flags & NLM_F_CAPPED) != 0;
  const std::size_t skip = sizeof error + (capped ? 0 : NLMSG_ALIGN(error.msg.nlmsg_len) - sizeof(nlmsghdr));
  std::string_view rest = answer.payload.substr(std::min(skip, answer.payload.size()));
  NlAttribute a;
  while (take_attribute(rest, a)) {
    if (a.type == NLMSGERR_ATTR_OFFS && a.value.size() == 4) std::memcpy(&refusal.offset, a.value.data(), 4);
    if (a.type == NLMSGERR_ATTR_MSG) refusal.text = std::string(a.value.substr(0, a.value.find('\0')));
  }
  return refusal;
}

// Asks and collects all answers up to the end of a dump, or the one answer.
Result<std::vector<std::string>> ask(std::uint16_t type, bool dump, std::uint8_t family,
                                     const std::string& attributes) {
  TRY(Socket socket, Socket::open());
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::string head = header(table_message(type), dump ? NLM_F_DUMP : NLM_F_ACK, family, 0, attributes.size());
    CHECK_OK(socket.send({head, attributes}));
    std::vector<std::string> found;
    int code = 0;
    bool interrupted = false;
    CHECK_OK(socket.receive(true, [&](const Answer& answer) {
      interrupted = interrupted || (answer.flags & NLM_F_DUMP_INTR) != 0;
      if (answer.type == NLMSG_DONE) return false;
      if (answer.type == NLMSG_ERROR) {
        code = refusal_in(answer).code;
        return false;
      }
      found.emplace_back(answer.payload.substr(std::min(sizeof(nfgenmsg), answer.payload.size())));
      return true;
    }));
    if (code == EINTR || interrupted) continue;  // the rules changed meanwhile
    if (code != 0) return errno_error(code, "reading nf_tables");
    return found;
  }
  return make_error(Errc::unavailable, "reading nf_tables: others change it all the time");
}

std::string_view find(std::string_view attributes, std::uint16_t type) {
  NlAttribute a;
  while (take_attribute(attributes, a)) {
    if (a.type == type) return a.value;
  }
  return {};
}

std::string named(std::uint16_t type, std::string_view name) {
  std::string out;
  NlAttributes(out).text(type, name);
  return out;
}

Result<std::uint32_t> generation() {
  TRY(const auto answers, ask(NFT_MSG_GETGEN, false, AF_UNSPEC, ""));
  std::uint32_t id = 0;
  if (answers.empty()) return make_error(Errc::io, "nf_tables tells no generation");
  const std::string_view value = find(answers.front(), NFTA_GEN_ID);
  if (value.size() != sizeof id) return make_error(Errc::io, "nf_tables tells no generation");
  std::memcpy(&id, value.data(), sizeof id);
  return ntohl(id);
}

// One attempt. The refusal's code is ERESTART when the generation was another.
Result<std::optional<Refusal>> send_batch(const NftBatch& batch, std::optional<std::uint32_t> expected,
                                          const std::optional<NftWatch>& watch) {
  TRY(Socket socket, Socket::open());
  if (watch) {
    TRY(const std::uint32_t port, socket.port());
    watch->ignore(port);
  }
  std::string id;
  if (expected) NlAttributes(id).u32(NFNL_BATCH_GENID, *expected);
  const std::string begin = header(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, id.size());
  const std::string end = header(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  // The last message asks for an acknowledgement: it comes once the transaction is committed, or after the refusals.
  const std::string_view bytes = batch.bytes;
  std::string last(bytes.substr(batch.last, sizeof(nlmsghdr)));
  nlmsghdr head{};
  std::memcpy(&head, last.data(), sizeof head);
  head.nlmsg_flags |= NLM_F_ACK;
  std::memcpy(last.data(), &head, sizeof head);
  CHECK_OK(socket.send({begin, id, bytes.substr(0, batch.last), last, bytes.substr(batch.last + sizeof head), end}));
  std::optional<Refusal> refused;
  bool acknowledged = false;
  CHECK_OK(socket.receive(false, [&](const Answer& answer) {
    if (answer.type != NLMSG_ERROR) return true;
    Refusal refusal = refusal_in(answer);
    acknowledged = acknowledged || (refusal.code == 0 && refusal.sequence == batch.messages);
    if (refusal.code != 0 && !refused) refused = std::move(refusal);
    return true;
  }));
  if (!refused && !acknowledged) return make_error(Errc::unavailable, "nf_tables gave no answer to a transaction");
  return refused;
}

Error failure(const NftBatch& batch, const Refusal& refusal) {
  std::string text =
      "nf_tables: " + describe_message(batch, refusal.sequence, refusal.offset) + ": " + std::strerror(refusal.code);
  if (!refusal.text.empty()) text += " (" + refusal.text + ')';
  const bool later = refusal.code == ENOMEM || refusal.code == ENOBUFS || refusal.code == EAGAIN ||
                     refusal.code == EINTR || refusal.code == kKernelRestart;
  return make_error(later ? Errc::unavailable : Errc::io, text);
}

// A full sync begins with the table, and leaves nothing of what was there.
bool is_whole(const NftBatch& batch) {
  nlmsghdr head{};
  if (batch.bytes.size() < sizeof head) return false;
  std::memcpy(&head, batch.bytes.data(), sizeof head);
  return head.nlmsg_type == table_message(NFT_MSG_NEWTABLE);
}

}  // namespace

void NetlinkNft::Shared::saw(std::uint32_t now) {
  if (now != generation) ++foreign;
  generation = now;
}

Result<void> NetlinkNft::commit_now(Shared& shared, const NftBatch& batch) {
  if (batch.empty()) return {};
  const std::lock_guard lock(shared.mutex);
  for (int attempt = 0;; ++attempt) {
    TRY(const std::uint32_t before, generation());
    shared.saw(before);
    // After many vain attempts without a condition: what others write meanwhile is looked for afterwards.
    const bool conditional = attempt < kAttempts;
    const bool unheard = is_whole(batch) && shared.watch;
    std::optional<NftWatch::Pause> pause(std::in_place, unheard ? &*shared.watch : nullptr);
    TRY(const auto refused, send_batch(batch, conditional ? std::optional(before) : std::nullopt, shared.watch));
    pause.reset();
    if (!refused) {
      ++shared.generation;
      if (!conditional) ++shared.foreign;
      if (!unheard || !conditional) return {};
      // What others did between the commit and the end of the pause is overwritten by doing it again.
      TRY(const std::uint32_t now, generation());
      if (now == shared.generation) return {};
      shared.saw(now);
      continue;
    }
    const bool again = refused->code == kKernelRestart || refused->code == EAGAIN || refused->code == EINTR;
    if (!again || !conditional) return failure(batch, *refused);
  }
}

Awaitable<Result<void>> NetlinkNft::commit(NftBatch batch) {
  auto shared = shared_;
  auto owned = std::make_shared<const NftBatch>(std::move(batch));
  auto job = [shared, owned] { return commit_now(*shared, *owned); };
  co_return co_await pool_.run(std::move(job));
}

Result<std::uint64_t> NetlinkNft::foreign_changes() {
  const std::lock_guard lock(shared_->mutex);
  TRY(const std::uint32_t now, generation());
  shared_->saw(now);
  return shared_->foreign;
}

Awaitable<Result<NftForeignChanges>> NetlinkNft::next_foreign_change() {
  auto shared = shared_;
  {
    const std::lock_guard lock(shared->mutex);
    if (!shared->watch) {
      CO_TRY(shared->watch, NftWatch::open());
    }
  }
  co_return co_await shared->watch->next();
}

bool nft_kernel_suffices(std::string_view release) {
  unsigned major = 0, minor = 0;
  if (std::sscanf(std::string(release).c_str(), "%u.%u", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 13);
}

Result<void> NetlinkNft::probe(Family family) {
  utsname system{};
  ::uname(&system);
  if (!nft_kernel_suffices(system.release)) {
    return make_error(Errc::failed_precondition,
                      std::string("mode nftables needs a kernel since 5.13, this is ") + system.release);
  }
  if (!kernel_has(family)) {
    return make_error(Errc::failed_precondition, "the kernel has no IPv6");
  }
  const auto now = generation();
  if (!now) return make_error(Errc::failed_precondition, "the kernel has no nf_tables: " + now.error().message);
  return {};
}

Result<NftTable> NetlinkNft::look(Family family) {
  NftTable table;
  const std::uint8_t af = address_family(family);
  const auto found = ask(NFT_MSG_GETTABLE, false, af, named(NFTA_TABLE_NAME, kNftTable));
  if (!found && found.error().code == Errc::not_found) return table;
  if (!found) return found.error();
  if (found->empty()) return table;
  table.exists = true;
  table.user_data = std::string(find(found->front(), NFTA_TABLE_USERDATA));
  std::string all(find(found->front(), NFTA_TABLE_HANDLE));
  TRY(const auto chains, ask(NFT_MSG_GETCHAIN, true, af, named(NFTA_CHAIN_TABLE, kNftTable)));
  for (const std::string& chain : chains) {
    const std::string_view of = find(chain, NFTA_CHAIN_TABLE), name = find(chain, NFTA_CHAIN_NAME);
    if (of.substr(0, of.find('\0')) != kNftTable) continue;
    table.chains.emplace_back(name.substr(0, name.find('\0')));
    all.append("c").append(name).append(find(chain, NFTA_CHAIN_HANDLE));
  }
  TRY(const auto rules, ask(NFT_MSG_GETRULE, true, af, named(NFTA_RULE_TABLE, kNftTable)));
  for (const std::string& rule : rules) {
    all.append("r").append(find(rule, NFTA_RULE_CHAIN)).append(find(rule, NFTA_RULE_HANDLE));
  }
  TRY(const auto sets, ask(NFT_MSG_GETSET, true, af, named(NFTA_SET_TABLE, kNftTable)));
  for (const std::string& set : sets)
    all.append("s").append(find(set, NFTA_SET_NAME)).append(find(set, NFTA_SET_HANDLE));
  table.fingerprint = fnv64a(all);
  return table;
}

}  // namespace keelson::proxy
