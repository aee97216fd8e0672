// Messages of a transaction in words: to name what the kernel refused, and for tests.
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstring>

#include "proxy/nft_message.hpp"

namespace keelson::proxy {
namespace {

constexpr std::size_t kHead = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));

struct Message {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::string_view bytes;  // with its header

  [[nodiscard]] std::string_view attributes() const { return bytes.substr(std::min(kHead, bytes.size())); }
};

bool take_message(std::string_view& rest, Message& out, std::uint32_t& sequence) {
  nlmsghdr header{};
  if (rest.size() < sizeof header) return false;
  std::memcpy(&header, rest.data(), sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return false;
  out = {static_cast<std::uint16_t>(header.nlmsg_type & 0xff), header.nlmsg_flags, rest.substr(0, header.nlmsg_len)};
  sequence = header.nlmsg_seq;
  rest.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
  return true;
}

std::string_view find(std::string_view attributes, std::uint16_t type) {
  NlAttribute a;
  while (take_attribute(attributes, a)) {
    if (a.type == type) return a.value;
  }
  return {};
}

std::string text(std::string_view value) { return std::string(value.substr(0, value.find('\0'))); }

const char* action(std::uint16_t type) {
  switch (type) {
    case NFT_MSG_NEWTABLE:
      return "add table";
    case NFT_MSG_DELTABLE:
      return "delete table";
    case NFT_MSG_NEWCHAIN:
      return "add chain";
    case NFT_MSG_DELCHAIN:
      return "delete chain";
    case NFT_MSG_NEWRULE:
      return "add rule to";
    case NFT_MSG_DELRULE:
      return "flush chain";
    case NFT_MSG_NEWSET:
      return "add set";
    case NFT_MSG_NEWSETELEM:
      return "add element";
    case NFT_MSG_DELSETELEM:
      return "delete element";
    default:
      return "message";
  }
}

// The object that a message other than one of elements is about.
std::string object(const Message& m) {
  switch (m.type) {
    case NFT_MSG_NEWCHAIN:
    case NFT_MSG_DELCHAIN:
      return text(find(m.attributes(), NFTA_CHAIN_NAME));
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE:
      return text(find(m.attributes(), NFTA_RULE_CHAIN));
    case NFT_MSG_NEWSET:
      return text(find(m.attributes(), NFTA_SET_NAME));
    default:
      return text(find(m.attributes(), NFTA_TABLE_NAME));
  }
}

struct ListedElement {
  std::string text;
  std::size_t begin = 0, end = 0;  // offsets in the message
};

std::vector<ListedElement> elements(const Message& m, Family family) {
  std::vector<ListedElement> out;
  const std::string name = text(find(m.attributes(), NFTA_SET_ELEM_LIST_SET));
  std::size_t index = 0;
  while (index < kNftSets && info_of(static_cast<NftSet>(index)).name != name) ++index;
  std::string_view list = find(m.attributes(), NFTA_SET_ELEM_LIST_ELEMENTS);
  NlAttribute item;
  while (index < kNftSets && take_attribute(list, item)) {
    NftElement e;
    e.set = static_cast<NftSet>(index);
    e.key = find(find(item.value, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
    e.data = find(find(item.value, NFTA_SET_ELEM_DATA), NFTA_DATA_VALUE);
    const auto begin = static_cast<std::size_t>(item.value.data() - m.bytes.data());
    const auto verdict = find(find(find(item.value, NFTA_SET_ELEM_DATA), NFTA_DATA_VERDICT), NFTA_VERDICT_CHAIN);
    out.push_back(
        {describe(e, family) + (verdict.empty() ? "" : " : goto " + text(verdict)), begin, begin + item.value.size()});
  }
  return out;
}

}  // namespace

bool take_attribute(std::string_view& rest, NlAttribute& out) {
  nlattr header{};
  if (rest.size() < sizeof header) return false;
  std::memcpy(&header, rest.data(), sizeof header);
  if (header.nla_len < sizeof header || header.nla_len > rest.size()) return false;
  out.type = header.nla_type & NLA_TYPE_MASK;
  out.value = rest.substr(sizeof header, header.nla_len - sizeof header);
  rest.remove_prefix(std::min<std::size_t>(NLA_ALIGN(header.nla_len), rest.size()));
  return true;
}

std::string describe_message(const NftBatch& batch, std::uint32_t sequence, std::uint32_t offset) {
  std::string_view rest = batch.bytes;
  Message m;
  std::uint32_t number = 0;
  while (take_message(rest, m, number)) {
    if (number != sequence) continue;
    std::string what = action(m.type);
    if (m.type != NFT_MSG_NEWSETELEM && m.type != NFT_MSG_DELSETELEM) return what + ' ' + object(m);
    for (const ListedElement& e : elements(m, batch.family)) {
      if (offset + sizeof(nlattr) >= e.begin && offset < e.end) return what + ' ' + e.text;
    }
    return what + " of " + text(find(m.attributes(), NFTA_SET_ELEM_LIST_SET));
  }
  return "transaction";
}

std::vector<std::string> describe_batch(const NftBatch& batch) {
  std::vector<std::string> lines;
  std::string_view rest = batch.bytes;
  Message m;
  std::uint32_t number = 0;
  while (take_message(rest, m, number)) {
    const std::string what = action(m.type);
    if (m.type != NFT_MSG_NEWSETELEM && m.type != NFT_MSG_DELSETELEM) {
      lines.push_back(what + ' ' + object(m));
      continue;
    }
    const auto listed = elements(m, batch.family);
    for (const ListedElement& e : listed) lines.push_back(what + ' ' + e.text);
    if (listed.empty()) lines.push_back("flush set " + text(find(m.attributes(), NFTA_SET_ELEM_LIST_SET)));
  }
  return lines;
}

}  // namespace keelson::proxy
