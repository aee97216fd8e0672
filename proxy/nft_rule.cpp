// The expressions that our rules are made of, as linux/netfilter/nf_tables.h describes them.
#include <netinet/icmp6.h>  // before linux/in.h, which then steps back
#include <netinet/ip_icmp.h>

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <cstring>

#include "proxy/nft_message.hpp"

namespace keelson::proxy {
namespace {

// The kernel's numbers of the registers of four bytes.
std::uint32_t reg(unsigned number) { return NFT_REG32_00 + number; }

void value(NlAttributes& a, std::uint16_t type, std::string_view raw) {
  const std::size_t nest = a.open(type);
  a.bytes(NFTA_DATA_VALUE, raw);
  a.close(nest);
}

}  // namespace

template <class Fill>
NftRule& NftRule::add(const char* name, Fill fill) {
  NlAttributes a(bytes_);
  const std::size_t expression = a.open(NFTA_LIST_ELEM);
  a.text(NFTA_EXPR_NAME, name);
  const std::size_t data = a.open(NFTA_EXPR_DATA);
  fill(a);
  a.close(data);
  a.close(expression);
  return *this;
}

NftRule& NftRule::payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size, unsigned to) {
  return add("payload", [&](NlAttributes& a) {
    a.u32(NFTA_PAYLOAD_DREG, reg(to));
    a.u32(NFTA_PAYLOAD_BASE, base);
    a.u32(NFTA_PAYLOAD_OFFSET, offset);
    a.u32(NFTA_PAYLOAD_LEN, size);
  });
}

NftRule& NftRule::meta(std::uint32_t key, unsigned to) {
  return add("meta", [&](NlAttributes& a) {
    a.u32(NFTA_META_DREG, reg(to));
    a.u32(NFTA_META_KEY, key);
  });
}

NftRule& NftRule::set_mark(unsigned from) {
  return add("meta", [&](NlAttributes& a) {
    a.u32(NFTA_META_KEY, NFT_META_MARK);
    a.u32(NFTA_META_SREG, reg(from));
  });
}

NftRule& NftRule::ct(std::uint32_t key, unsigned to) {
  return add("ct", [&](NlAttributes& a) {
    a.u32(NFTA_CT_DREG, reg(to));
    a.u32(NFTA_CT_KEY, key);
  });
}

NftRule& NftRule::fib_type(std::uint32_t flags, unsigned to) {
  return add("fib", [&](NlAttributes& a) {
    a.u32(NFTA_FIB_DREG, reg(to));
    a.u32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    a.u32(NFTA_FIB_FLAGS, flags);
  });
}

NftRule& NftRule::compare(unsigned from, bool equal, std::string_view wanted) {
  return add("cmp", [&](NlAttributes& a) {
    a.u32(NFTA_CMP_SREG, reg(from));
    a.u32(NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    value(a, NFTA_CMP_DATA, wanted);
  });
}

NftRule& NftRule::bitwise(unsigned from, unsigned to, std::string_view mask, std::string_view flip) {
  return add("bitwise", [&](NlAttributes& a) {
    a.u32(NFTA_BITWISE_SREG, reg(from));
    a.u32(NFTA_BITWISE_DREG, reg(to));
    a.u32(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
    value(a, NFTA_BITWISE_MASK, mask);
    value(a, NFTA_BITWISE_XOR, flip);
  });
}

NftRule& NftRule::in_set(NftSet set, unsigned key) {
  return add("lookup", [&](NlAttributes& a) {
    a.text(NFTA_LOOKUP_SET, info_of(set).name);
    a.u32(NFTA_LOOKUP_SREG, reg(key));
  });
}

NftRule& NftRule::look_up(NftSet map, unsigned key, unsigned to) {
  return add("lookup", [&](NlAttributes& a) {
    a.text(NFTA_LOOKUP_SET, info_of(map).name);
    a.u32(NFTA_LOOKUP_SREG, reg(key));
    a.u32(NFTA_LOOKUP_DREG, reg(to));
  });
}

NftRule& NftRule::dispatch(NftSet verdicts, unsigned key) {
  return add("lookup", [&](NlAttributes& a) {
    a.text(NFTA_LOOKUP_SET, info_of(verdicts).name);
    a.u32(NFTA_LOOKUP_SREG, reg(key));
    a.u32(NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
  });
}

NftRule& NftRule::number(std::uint32_t n, unsigned to) {
  return add("immediate", [&](NlAttributes& a) {
    a.u32(NFTA_IMMEDIATE_DREG, reg(to));
    value(a, NFTA_IMMEDIATE_DATA, {reinterpret_cast<const char*>(&n), sizeof n});
  });
}

NftRule& NftRule::random(std::uint32_t modulus, std::uint32_t offset, unsigned to) {
  return add("numgen", [&](NlAttributes& a) {
    a.u32(NFTA_NG_DREG, reg(to));
    a.u32(NFTA_NG_MODULUS, modulus);
    a.u32(NFTA_NG_TYPE, NFT_NG_RANDOM);
    a.u32(NFTA_NG_OFFSET, offset);
  });
}

NftRule& NftRule::remember(std::uint32_t operation, NftSet map, unsigned key, unsigned data, std::uint32_t seconds) {
  return add("dynset", [&](NlAttributes& a) {
    a.text(NFTA_DYNSET_SET_NAME, info_of(map).name);
    a.u32(NFTA_DYNSET_OP, operation);
    a.u32(NFTA_DYNSET_SREG_KEY, reg(key));
    a.u32(NFTA_DYNSET_SREG_DATA, reg(data));
    if (operation != NFT_DYNSET_OP_DELETE) a.u64(NFTA_DYNSET_TIMEOUT, std::uint64_t{seconds} * 1000);
  });
}

NftRule& NftRule::dnat(Family family, unsigned address, unsigned port) {
  return add("nat", [&](NlAttributes& a) {
    a.u32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
    a.u32(NFTA_NAT_FAMILY, address_family(family));
    a.u32(NFTA_NAT_REG_ADDR_MIN, reg(address));
    a.u32(NFTA_NAT_REG_PROTO_MIN, reg(port));
  });
}

NftRule& NftRule::masquerade() {
  return add("masq", [](NlAttributes& a) { a.u32(NFTA_MASQ_FLAGS, NF_NAT_RANGE_PROTO_RANDOM_FULLY); });
}

NftRule& NftRule::reject(Family family) {
  return add("reject", [&](NlAttributes& a) {
    a.u32(NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
    const std::uint8_t code = family == Family::ipv4 ? ICMP_PORT_UNREACH : ICMP6_DST_UNREACH_NOPORT;
    a.bytes(NFTA_REJECT_ICMP_CODE, {reinterpret_cast<const char*>(&code), sizeof code});
  });
}

NftRule& NftRule::verdict(std::int32_t code, std::string_view chain) {
  return add("immediate", [&](NlAttributes& a) {
    a.u32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    const std::size_t data = a.open(NFTA_IMMEDIATE_DATA);
    const std::size_t verdict = a.open(NFTA_DATA_VERDICT);
    a.u32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
    if (!chain.empty()) a.text(NFTA_VERDICT_CHAIN, chain);
    a.close(verdict);
    a.close(data);
  });
}

// Matches and targets have the same attributes.
NftRule& NftRule::extension(const char* kind, std::string_view name, std::uint32_t revision, std::string_view info) {
  constexpr std::size_t kAlign = 8;  // XT_ALIGN
  std::string aligned(info);
  aligned.resize((info.size() + kAlign - 1) / kAlign * kAlign, '\0');
  return add(kind, [&](NlAttributes& a) {
    a.text(NFTA_MATCH_NAME, name);
    a.u32(NFTA_MATCH_REV, revision);
    a.bytes(NFTA_MATCH_INFO, aligned);
  });
}

NftRule& NftRule::xt_match(std::string_view name, std::uint32_t revision, std::string_view info) {
  return extension("match", name, revision, info);
}

NftRule& NftRule::xt_target(std::string_view name, std::uint32_t revision, std::string_view info) {
  return extension("target", name, revision, info);
}

NftRule& NftRule::counter() {
  return add("counter", [](NlAttributes& a) {
    a.u64(NFTA_COUNTER_BYTES, 0);
    a.u64(NFTA_COUNTER_PACKETS, 0);
  });
}

NftRule& NftRule::xt_protocol(std::uint8_t protocol) {
  protocol_ = protocol;
  return *this;
}

}  // namespace keelson::proxy
