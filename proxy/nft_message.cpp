#include "proxy/nft_message.hpp"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstring>

namespace keelson::proxy {
namespace {

constexpr std::size_t kMostElementBytes = 60000;  // the list's attribute has a length of 16 bits
constexpr std::uint32_t kMostAffinities = 1u << 18;
// The nft tool's numbers of data types, six bits for each component: what it prints sets by. The kernel ignores them.
constexpr std::uint32_t kTypeIpv4 = 7, kTypeIpv6 = 8, kTypeProtocol = 12, kTypePort = 13, kTypeMark = 19;

std::uint32_t type_of(NftField field, Family family) {
  switch (field) {
    case NftField::address:
      return family == Family::ipv4 ? kTypeIpv4 : kTypeIpv6;
    case NftField::protocol:
      return kTypeProtocol;
    case NftField::port:
      return kTypePort;
    case NftField::number:
      return kTypeMark;
  }
  return kTypeMark;
}

std::uint32_t type_of(const std::vector<NftField>& fields, Family family) {
  std::uint32_t type = 0;
  for (const NftField field : fields) type = type << 6 | type_of(field, family);
  return type;
}

void append_header(std::string& out, std::uint16_t type, std::uint16_t length) {
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  out.append(reinterpret_cast<const char*>(&type), sizeof type);
}

void data_value(NlAttributes& a, std::uint16_t type, std::string_view raw) {
  const std::size_t nest = a.open(type);
  a.bytes(NFTA_DATA_VALUE, raw);
  a.close(nest);
}

void element(NlAttributes& a, const NftElement& e, bool with_data) {
  const std::size_t nest = a.open(NFTA_LIST_ELEM);
  data_value(a, NFTA_SET_ELEM_KEY, e.key);
  if (with_data && !e.data.empty()) data_value(a, NFTA_SET_ELEM_DATA, e.data);
  a.close(nest);
}

}  // namespace

std::uint8_t address_family(Family family) { return family == Family::ipv4 ? AF_INET : AF_INET6; }

void NlAttributes::bytes(std::uint16_t type, std::string_view value) {
  append_header(out_, type, static_cast<std::uint16_t>(NLA_HDRLEN + value.size()));
  out_.append(value);
  out_.append(NLA_ALIGN(value.size()) - value.size(), '\0');
}

void NlAttributes::u32(std::uint16_t type, std::uint32_t value) {
  const std::uint32_t wire = htonl(value);
  bytes(type, {reinterpret_cast<const char*>(&wire), sizeof wire});
}

void NlAttributes::u64(std::uint16_t type, std::uint64_t value) {
  const std::uint64_t wire = htobe64(value);
  bytes(type, {reinterpret_cast<const char*>(&wire), sizeof wire});
}

void NlAttributes::text(std::uint16_t type, std::string_view value) {
  std::string terminated(value);
  terminated.push_back('\0');
  bytes(type, terminated);
}

std::size_t NlAttributes::open(std::uint16_t type) {
  const std::size_t at = out_.size();
  append_header(out_, type | NLA_F_NESTED, 0);
  return at;
}

void NlAttributes::close(std::size_t at) {
  const auto length = static_cast<std::uint16_t>(out_.size() - at);
  std::memcpy(out_.data() + at, &length, sizeof length);
}

std::size_t NftWriter::begin(std::uint16_t type, std::uint16_t flags) {
  const std::size_t at = batch_.last = batch_.bytes.size();
  nlmsghdr header{};
  header.nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = ++batch_.messages;
  nfgenmsg generic{};
  generic.nfgen_family = address_family(batch_.family);
  generic.version = NFNETLINK_V0;
  batch_.bytes.append(reinterpret_cast<const char*>(&header), sizeof header);
  batch_.bytes.append(reinterpret_cast<const char*>(&generic), sizeof generic);
  batch_.touches_rules = batch_.touches_rules || (type != NFT_MSG_NEWSETELEM && type != NFT_MSG_DELSETELEM);
  return at;
}

void NftWriter::end(std::size_t at) {
  const auto length = static_cast<std::uint32_t>(batch_.bytes.size() - at);
  std::memcpy(batch_.bytes.data() + at, &length, sizeof length);
}

void NftWriter::add_table(std::string_view user_data) {
  const std::size_t at = begin(NFT_MSG_NEWTABLE, NLM_F_CREATE);
  NlAttributes a(batch_.bytes);
  a.text(NFTA_TABLE_NAME, table_);
  if (!user_data.empty()) a.bytes(NFTA_TABLE_USERDATA, user_data);
  end(at);
}

void NftWriter::delete_table() {
  const std::size_t at = begin(NFT_MSG_DELTABLE, 0);
  NlAttributes(batch_.bytes).text(NFTA_TABLE_NAME, table_);
  end(at);
}

void NftWriter::add_set(NftSet set) {
  const std::size_t at = begin(NFT_MSG_NEWSET, NLM_F_CREATE);
  const NftSetInfo& info = info_of(set);
  const bool verdicts = set == NftSet::handlers, dynamic = set == NftSet::affinity;
  std::uint32_t flags = 0;
  if (verdicts || !info.data.empty()) flags |= NFT_SET_MAP;
  if (dynamic) flags |= NFT_SET_TIMEOUT | NFT_SET_EVAL;
  NlAttributes a(batch_.bytes);
  a.text(NFTA_SET_TABLE, table_);
  a.text(NFTA_SET_NAME, info.name);
  a.u32(NFTA_SET_FLAGS, flags);
  a.u32(NFTA_SET_KEY_TYPE, type_of(info.key, batch_.family));
  a.u32(NFTA_SET_KEY_LEN, static_cast<std::uint32_t>(key_size(set, batch_.family)));
  if (verdicts) {
    a.u32(NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
    a.u32(NFTA_SET_DATA_LEN, 16);
  } else if (!info.data.empty()) {
    a.u32(NFTA_SET_DATA_TYPE, type_of(info.data, batch_.family));
    a.u32(NFTA_SET_DATA_LEN, static_cast<std::uint32_t>(data_size(set, batch_.family)));
  }
  a.u32(NFTA_SET_ID, 1 + static_cast<std::uint32_t>(set));
  if (dynamic) {
    const std::size_t nest = a.open(NFTA_SET_DESC);
    a.u32(NFTA_SET_DESC_SIZE, kMostAffinities);
    a.close(nest);
  }
  end(at);
}

void NftWriter::flush_set(NftSet set) {
  const std::size_t at = begin(NFT_MSG_DELSETELEM, 0);
  NlAttributes a(batch_.bytes);
  a.text(NFTA_SET_ELEM_LIST_TABLE, table_);
  a.text(NFTA_SET_ELEM_LIST_SET, info_of(set).name);
  end(at);
}

void NftWriter::add_chain(std::string_view name) {
  const std::size_t at = begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  NlAttributes a(batch_.bytes);
  a.text(NFTA_CHAIN_TABLE, table_);
  a.text(NFTA_CHAIN_NAME, name);
  end(at);
}

void NftWriter::add_chain(const NftBaseChain& chain) {
  const std::size_t at = begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  NlAttributes a(batch_.bytes);
  a.text(NFTA_CHAIN_TABLE, table_);
  a.text(NFTA_CHAIN_NAME, chain.name);
  const std::size_t hook = a.open(NFTA_CHAIN_HOOK);
  a.u32(NFTA_HOOK_HOOKNUM, chain.hook);
  a.u32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.priority));
  a.close(hook);
  a.text(NFTA_CHAIN_TYPE, chain.type);
  end(at);
}

void NftWriter::flush_chain(std::string_view name) {
  const std::size_t at = begin(NFT_MSG_DELRULE, 0);
  NlAttributes a(batch_.bytes);
  a.text(NFTA_RULE_TABLE, table_);
  a.text(NFTA_RULE_CHAIN, name);
  end(at);
}

void NftWriter::delete_chain(std::string_view name) {
  const std::size_t at = begin(NFT_MSG_DELCHAIN, 0);
  NlAttributes a(batch_.bytes);
  a.text(NFTA_CHAIN_TABLE, table_);
  a.text(NFTA_CHAIN_NAME, name);
  end(at);
}

void NftWriter::rule(std::string_view chain, const NftRule& rule, std::uint16_t flags) {
  const bool filter = chain.starts_with("filter-") || chain.ends_with("-check") || chain == "reject-chain";
  ++(filter ? batch_.filter_rules : batch_.nat_rules);
  const std::size_t at = begin(NFT_MSG_NEWRULE, flags);
  NlAttributes a(batch_.bytes);
  a.text(NFTA_RULE_TABLE, table_);
  a.text(NFTA_RULE_CHAIN, chain);
  const std::size_t nest = a.open(NFTA_RULE_EXPRESSIONS);
  batch_.bytes += rule.bytes();
  a.close(nest);
  if (rule.protocol() != 0) {
    const std::size_t compat = a.open(NFTA_RULE_COMPAT);
    a.u32(NFTA_RULE_COMPAT_PROTO, rule.protocol());
    a.u32(NFTA_RULE_COMPAT_FLAGS, 0);
    a.close(compat);
  }
  end(at);
}

void NftWriter::append_rule(std::string_view chain, const NftRule& r) { rule(chain, r, NLM_F_CREATE | NLM_F_APPEND); }
void NftWriter::insert_rule(std::string_view chain, const NftRule& r) { rule(chain, r, NLM_F_CREATE); }

void NftWriter::elements(bool add, NftSet set, std::string_view records) {
  while (!records.empty()) {
    const std::size_t at = begin(add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, add ? NLM_F_CREATE : 0);
    NlAttributes a(batch_.bytes);
    a.text(NFTA_SET_ELEM_LIST_TABLE, table_);
    a.text(NFTA_SET_ELEM_LIST_SET, info_of(set).name);
    const std::size_t list = a.open(NFTA_SET_ELEM_LIST_ELEMENTS);
    while (!records.empty() && batch_.bytes.size() - list < kMostElementBytes) {
      element(a, take_element(records, batch_.family), add);
    }
    a.close(list);
    end(at);
  }
}

void NftWriter::add_handler(std::uint32_t number, std::string_view chain) {
  const std::size_t at = begin(NFT_MSG_NEWSETELEM, NLM_F_CREATE);
  NlAttributes a(batch_.bytes);
  a.text(NFTA_SET_ELEM_LIST_TABLE, table_);
  a.text(NFTA_SET_ELEM_LIST_SET, info_of(NftSet::handlers).name);
  const std::size_t list = a.open(NFTA_SET_ELEM_LIST_ELEMENTS);
  const std::size_t item = a.open(NFTA_LIST_ELEM);
  data_value(a, NFTA_SET_ELEM_KEY, {reinterpret_cast<const char*>(&number), sizeof number});
  const std::size_t data = a.open(NFTA_SET_ELEM_DATA);
  const std::size_t verdict = a.open(NFTA_DATA_VERDICT);
  a.u32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(NFT_GOTO));
  a.text(NFTA_VERDICT_CHAIN, chain);
  for (const std::size_t nest : {verdict, data, item, list}) a.close(nest);
  end(at);
}

}  // namespace keelson::proxy
