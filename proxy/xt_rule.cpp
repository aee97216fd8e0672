#include "proxy/xt_rule.hpp"

#include <netinet/in.h>  // before linux/in.h, which then steps back

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_tcpudp.h>

#define _Bool bool  // the next is for C
#include <linux/netfilter/xt_sctp.h>
#undef _Bool
#undef bytes

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "proxy/saved_rules.hpp"

namespace keelson::proxy {
namespace {

constexpr const char* kTable = "nat";
constexpr unsigned kRegister = 0;

// The words of a line; a quoted one without its quotes. False where it holds an escape.
bool split_words(std::string_view line, std::vector<std::string_view>& words) {
  if (line.find('\\') != std::string_view::npos) return false;
  while (!line.empty()) {
    const bool quoted = line.front() == '"';
    if (quoted) line.remove_prefix(1);
    const std::size_t end = std::min(line.find(quoted ? '"' : ' '), line.size());
    if (quoted && end == line.size()) return false;
    if (quoted || end > 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return true;
}

template <class Number>
bool read_number(std::string_view text, Number& out, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_fraction(std::string_view text, double& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out >= 0 && out <= 1;
}

std::optional<IpPrefix> read_prefix(std::string_view text) {
  if (text.find('/') != std::string_view::npos) return IpPrefix::parse(text);
  const auto ip = IpAddress::parse(text);
  if (!ip) return std::nullopt;
  return IpPrefix{*ip, static_cast<std::uint8_t>(ip->family() == Family::ipv4 ? 32 : 128), ip->family()};
}

// As in a packet, and in xtables' structures.
std::string_view wire(const IpAddress& ip, Family family) {
  const std::size_t skip = family == Family::ipv4 ? 12 : 0;
  return {reinterpret_cast<const char*>(ip.bytes.data()) + skip, ip.bytes.size() - skip};
}

template <class Info>
std::string_view raw(const Info& info) {
  return {reinterpret_cast<const char*>(&info), sizeof info};
}

// One line, word by word.
class RuleReader {
 public:
  explicit RuleReader(Family family) : family_(family) {}

  bool read(std::string_view line) {
    if (!split_words(line, words_)) return false;
    while (next_ < words_.size()) {
      if (!option(take())) return false;
    }
    return !chain_.empty() && !inverted_;
  }
  std::optional<XtRule> make();

 private:
  enum class Match { comment, ports, statistic, recent, addrtype };

  // Past the end: an empty word, which no option takes.
  std::string_view take() { return next_ < words_.size() ? words_[next_++] : std::string_view(); }
  bool inverted() { return std::exchange(inverted_, false); }

  bool option(std::string_view word);
  bool address(std::optional<IpPrefix>& of, bool& not_it);
  bool protocol(std::string_view name);
  bool match(std::string_view name);
  bool match_option(std::string_view word);
  bool target(std::string_view name);
  bool dnat(std::string_view to);

  void compare_address(const std::optional<IpPrefix>& prefix, bool not_it, std::uint32_t offset);
  bool write_match(Match match);
  bool write_ports();

  const Family family_;
  std::vector<std::string_view> words_;
  std::size_t next_ = 0;
  bool inverted_ = false;  // by a "!" just read

  std::string_view chain_, interface_, jump_, comment_;
  std::optional<IpPrefix> source_, destination_;
  bool not_source_ = false, not_destination_ = false, not_interface_ = false;
  std::uint8_t protocol_ = 0;
  std::vector<Match> matches_;
  std::string_view ports_of_;  // "-m tcp"
  std::uint16_t port_ = 0;
  xt_statistic_info statistic_{};
  xt_recent_mtinfo_v1 recent_{};
  xt_addrtype_info_v1 addrtype_{};
  std::optional<nf_nat_range2> dnat_;
  std::optional<xt_mark_tginfo2> mark_;
  NftRule rule_;
};

bool RuleReader::option(std::string_view word) {
  if (word == "!") return !std::exchange(inverted_, true);
  if (word == "-s") return address(source_, not_source_);
  if (word == "-d") return address(destination_, not_destination_);
  if (word == "-i") {
    not_interface_ = inverted();
    interface_ = take();
    // What stands before a "+" is to be compared.
    return !interface_.empty() && interface_.size() < 16 && interface_ != "+";
  }
  if (inverted_) return false;
  if (word == "-A") return !(chain_ = take()).empty();
  if (word == "-p") return protocol(take());
  if (word == "-m") return match(take());
  if (word == "-j") return target(take());
  return match_option(word);
}

bool RuleReader::address(std::optional<IpPrefix>& of, bool& not_it) {
  not_it = inverted();
  of = read_prefix(take());
  if (!of || of->family() != family_) return false;
  if (of->bits > 0) return true;
  of.reset();  // any: nothing to compare
  return !not_it;
}

bool RuleReader::protocol(std::string_view name) {
  protocol_ = name == "tcp" ? IPPROTO_TCP : name == "udp" ? IPPROTO_UDP : name == "sctp" ? IPPROTO_SCTP : 0;
  return protocol_ != 0;
}

bool RuleReader::match(std::string_view name) {
  if (name == "comment") {
    matches_.push_back(Match::comment);
  } else if (name == "tcp" || name == "udp" || name == "sctp") {
    matches_.push_back(Match::ports);
    ports_of_ = name;
  } else if (name == "statistic") {
    matches_.push_back(Match::statistic);
  } else if (name == "recent") {
    matches_.push_back(Match::recent);
    recent_.side = XT_RECENT_SOURCE;
    std::memset(&recent_.mask, 0xff, sizeof recent_.mask);
  } else if (name == "addrtype") {
    matches_.push_back(Match::addrtype);
  } else {
    return false;
  }
  return std::count(matches_.begin(), matches_.end(), matches_.back()) == 1;
}

bool RuleReader::match_option(std::string_view word) {
  if (word == "--comment") {
    comment_ = take();
    return !comment_.empty() && comment_.size() < XT_MAX_COMMENT_LEN;
  }
  if (word == "--dport") return read_number(take(), port_) && port_ != 0;
  if (word == "--mode") return take() == "random";
  if (word == "--probability") {
    double chance = 0;
    if (!read_fraction(take(), chance)) return false;
    statistic_.mode = XT_STATISTIC_MODE_RANDOM;
    statistic_.u.random.probability = static_cast<std::uint32_t>(std::lround(0x80000000 * chance));
    return true;
  }
  if (word == "--name") {
    const std::string_view name = take();
    if (name.empty() || name.size() >= sizeof recent_.name) return false;
    name.copy(recent_.name, name.size());
    return true;
  }
  const auto check = [this](unsigned flag) {
    recent_.check_set = static_cast<std::uint8_t>(recent_.check_set | flag);
    return true;
  };
  if (word == "--rcheck") return check(XT_RECENT_CHECK);
  if (word == "--set") return check(XT_RECENT_SET);
  if (word == "--reap") return check(XT_RECENT_REAP);
  if (word == "--seconds") return read_number(take(), recent_.seconds);
  if (word == "--src-type") addrtype_.source = XT_ADDRTYPE_LOCAL;
  if (word == "--dst-type") addrtype_.dest = XT_ADDRTYPE_LOCAL;
  if (word == "--src-type" || word == "--dst-type") return take() == "LOCAL";
  return false;
}

bool RuleReader::target(std::string_view name) {
  if (name == "DNAT") return take() == "--to-destination" && dnat(take());
  if (name == "MARK") {
    std::uint32_t bits = 0;
    if (take() != "--or-mark") return false;
    const std::string_view number = take();
    if (!number.starts_with("0x") || !read_number(number.substr(2), bits, 16)) return false;
    mark_ = xt_mark_tginfo2{bits, bits};
    return true;
  }
  jump_ = name;
  return name.starts_with("KUBE-");
}

bool RuleReader::dnat(std::string_view to) {
  const std::size_t colon = to.rfind(':');
  std::uint16_t port = 0;
  if (colon == std::string_view::npos || !read_number(to.substr(colon + 1), port)) return false;
  std::string_view address = to.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  const auto ip = IpAddress::parse(address);
  if (!ip || ip->family() != family_) return false;
  nf_nat_range2 range{};
  range.flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;
  const std::string_view bytes = wire(*ip, family_);
  std::memcpy(&range.min_addr, bytes.data(), bytes.size());
  range.max_addr = range.min_addr;
  range.min_proto.all = range.max_proto.all = htons(port);
  dnat_ = range;
  return true;
}

void RuleReader::compare_address(const std::optional<IpPrefix>& prefix, bool not_it, std::uint32_t offset) {
  if (!prefix) return;
  const std::string_view bytes = wire(prefix->address, family_);
  rule_.payload(NFT_PAYLOAD_NETWORK_HEADER, offset, static_cast<std::uint32_t>(bytes.size()), kRegister);
  if (prefix->bits < bytes.size() * 8) {
    std::string mask(bytes.size(), '\0');
    for (std::size_t bit = 0; bit < prefix->bits; ++bit)
      mask[bit / 8] = static_cast<char>(mask[bit / 8] | 0x80 >> bit % 8);
    rule_.bitwise(kRegister, kRegister, mask, std::string(bytes.size(), '\0'));
  }
  rule_.compare(kRegister, !not_it, bytes);
}

bool RuleReader::write_ports() {
  constexpr std::uint16_t kLast = 0xffff;
  const std::uint16_t first = port_ == 0 ? 0 : port_, last = port_ == 0 ? kLast : port_;
  if (ports_of_ == "tcp") {
    rule_.xt_match("tcp", 0, raw(xt_tcp{{0, kLast}, {first, last}, 0, 0, 0, 0}));
    return protocol_ == IPPROTO_TCP;
  }
  if (ports_of_ == "udp") {
    rule_.xt_match("udp", 0, raw(xt_udp{{0, kLast}, {first, last}, 0}));
    return protocol_ == IPPROTO_UDP;
  }
  xt_sctp_info info{};
  for (xt_sctp_flag_info& flag : info.flag_info) flag.chunktype = 0xff;  // none
  if (port_ != 0) {
    info.flags = XT_SCTP_DEST_PORTS;
    info.dpts[0] = info.dpts[1] = port_;
  }
  rule_.xt_match("sctp", 0, raw(info));
  return protocol_ == IPPROTO_SCTP;
}

bool RuleReader::write_match(Match match) {
  switch (match) {
    case Match::comment: {
      xt_comment_info info{};
      comment_.copy(info.comment, sizeof info.comment - 1);
      rule_.xt_match("comment", 0, raw(info));
      return !comment_.empty();
    }
    case Match::ports:
      return write_ports();
    case Match::statistic:
      rule_.xt_match("statistic", 0, raw(statistic_));
      return true;
    case Match::recent:
      rule_.xt_match("recent", 1, raw(recent_));
      return recent_.name[0] != '\0' && (recent_.check_set & (XT_RECENT_CHECK | XT_RECENT_SET)) != 0;
    case Match::addrtype:
      rule_.xt_match("addrtype", 1, raw(addrtype_));
      return addrtype_.source != 0 || addrtype_.dest != 0;
  }
  return false;
}

std::optional<XtRule> RuleReader::make() {
  if (!interface_.empty()) {
    std::string name(interface_);
    if (name.back() == '+') {
      name.pop_back();
    } else {
      name.push_back('\0');
    }
    rule_.meta(NFT_META_IIFNAME, kRegister).compare(kRegister, !not_interface_, name);
  }
  if (protocol_ != 0) {
    rule_.meta(NFT_META_L4PROTO, kRegister).compare(kRegister, true, raw(protocol_)).xt_protocol(protocol_);
  }
  const bool v4 = family_ == Family::ipv4;
  compare_address(source_, not_source_, v4 ? 12 : 8);
  compare_address(destination_, not_destination_, v4 ? 16 : 24);
  if (port_ != 0 && ports_of_.empty()) return std::nullopt;
  for (const Match match : matches_) {
    if (!write_match(match)) return std::nullopt;
  }
  rule_.counter();
  if (dnat_) {
    rule_.xt_target("DNAT", 2, raw(*dnat_));
  } else if (mark_) {
    rule_.xt_target("MARK", 2, raw(*mark_));
  } else if (!jump_.empty()) {
    rule_.verdict(NFT_JUMP, jump_);
  }
  return XtRule{chain_, std::move(rule_)};
}

}  // namespace

std::string ChainInput::text() const { return "*nat\n" + chains + rules + gone + "COMMIT\n"; }

std::optional<XtRule> read_xt_rule(std::string_view line, Family family) {
  RuleReader reader(family);
  if (!reader.read(line)) return std::nullopt;
  return reader.make();
}

std::optional<NftBatch> chain_batch(const ChainInput& input, Family family) {
  NftWriter writer(family, kTable);
  writer.add_table("");
  const auto name = [](std::string_view line) { return line.substr(1, line.find(' ') - 1); };
  const std::vector<std::string_view> chains = lines_of(input.chains);
  for (const std::string_view line : chains) writer.add_chain(name(line));
  for (const std::string_view line : chains) writer.flush_chain(name(line));
  for (const std::string_view line : lines_of(input.rules)) {
    const auto rule = read_xt_rule(line, family);
    if (!rule) return std::nullopt;
    writer.append_rule(rule->chain, rule->rule);
  }
  for (const std::string_view line : lines_of(input.gone)) {
    writer.delete_chain(line.substr(std::string_view("-X ").size()));
  }
  return writer.take();
}

}  // namespace keelson::proxy
