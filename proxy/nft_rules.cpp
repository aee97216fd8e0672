#include "proxy/nft_rules.hpp"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace keelson::proxy {
namespace {

// Where things lie in the sixteen registers. A rule loads all that it uses: the kernel refuses registers that another
// rule has filled.
//
// The nft tool (1.0.6 at least) dies on an assertion when it lists a rule that looks up what the rule has just looked
// up. It takes note of a looked-up value only at its first register, though, and believes the others to hold what was
// put there before. So values that are looked up further begin with a spare word, and their other registers are filled
// first, with the fields of the packet that they stand for: a listing shows those in place of the service's id.
constexpr unsigned kKey = 0;       // address . protocol . port: up to six registers
constexpr unsigned kFrontend = 4;  // what its map gives for it: spare, handler, service id
constexpr unsigned kHandler = 5;
constexpr unsigned kService = 6;  // two
constexpr unsigned kAfter = 8;    // service . index, and service . client address, are one key each
constexpr unsigned kTarget = 0;   // address . port of the endpoint
constexpr unsigned kMark = 15;
constexpr unsigned kScratch = 0;

constexpr const char* kServicesChain = "services";
constexpr const char* kFirewallCheck = "firewall-check";
constexpr const char* kFirewallSources = "firewall-allow-check";
constexpr const char* kEndpointsCheck = "service-endpoints-check";
constexpr const char* kNodePortCheck = "nodeport-endpoints-check";
constexpr const char* kClusterIpsCheck = "cluster-ips-check";
constexpr const char* kMasquerading = "masquerading";
constexpr const char* kReject = "reject-chain";

std::string_view raw(const std::uint32_t& word) { return {reinterpret_cast<const char*>(&word), sizeof word}; }

class Rules {
 public:
  Rules(NftWriter& writer, const CompileOptions& options)
      : writer_(writer), options_(options), family_(options.family) {}

  void fixed();
  void handler(const NftHandler& handler);
  NftRule firewall(std::uint32_t bits) const;

 private:
  [[nodiscard]] unsigned address_words() const { return family_ == Family::ipv4 ? 1 : 4; }
  [[nodiscard]] std::uint32_t address_bytes() const { return address_words() * 4; }
  void source(NftRule& r, unsigned to) const {
    r.payload(NFT_PAYLOAD_NETWORK_HEADER, family_ == Family::ipv4 ? 12 : 8, address_bytes(), to);
  }
  void destination(NftRule& r, unsigned to) const {
    r.payload(NFT_PAYLOAD_NETWORK_HEADER, family_ == Family::ipv4 ? 16 : 24, address_bytes(), to);
  }
  static void protocol_and_port(NftRule& r, unsigned to) {
    r.meta(NFT_META_L4PROTO, to).payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, to + 1);
  }
  void service_key(NftRule& r) const {
    destination(r, kKey);
    protocol_and_port(r, kKey + address_words());
  }
  void to_node_port(NftRule& r) const;
  void mark(NftRule& r) const;
  static void only_new(NftRule& r);
  bool local_source(NftRule& r, bool is_local) const;
  static void source_is_ours(NftRule& r);
  void append(const char* chain, const NftRule& rule) { writer_.append_rule(chain, rule); }
  void jump_when_new(const char* from, const char* to);

  struct Balance {
    std::string chain;
    bool node_ports = false;  // which map knows the service
    bool masquerade = false;
    bool local = false;  // among the endpoints of policy Local
    std::uint32_t count = 0;
    std::uint32_t affinity_seconds = 0;
  };
  void frontend(NftRule& r, bool node_ports) const;
  void finish(NftRule& r, const Balance& b, unsigned target) const;
  template <class Match>
  void sticky(const Balance& b, std::uint32_t first, Match match);
  template <class Match>
  void balance(const Balance& b, Match match);

  NftWriter& writer_;
  const CompileOptions& options_;
  Family family_;
};

void Rules::only_new(NftRule& r) {
  const std::uint32_t bit = 1u << (IP_CT_NEW + 1), none = 0;  // NF_CT_STATE_BIT
  r.ct(NFT_CT_STATE, kScratch).bitwise(kScratch, kScratch, raw(bit), raw(none)).compare(kScratch, false, raw(none));
}

void Rules::jump_when_new(const char* from, const char* to) {
  NftRule r;
  only_new(r);
  append(from, r.verdict(NFT_JUMP, to));
}

void Rules::mark(NftRule& r) const {
  const std::uint32_t others = ~options_.masquerade_mark, bit = options_.masquerade_mark;
  r.meta(NFT_META_MARK, kMark).bitwise(kMark, kMark, raw(others), raw(bit)).set_mark(kMark);
}

void Rules::source_is_ours(NftRule& r) {
  const std::uint32_t local = 2;  // RTN_LOCAL
  r.fib_type(NFTA_FIB_F_SADDR, kScratch).compare(kScratch, true, raw(local));
}

// Packets to an address that takes NodePorts (reference: upstream's match on nodeport-ips).
void Rules::to_node_port(NftRule& r) const {
  if (options_.node_port_ips) {
    destination(r, kKey);
    r.in_set(NftSet::nodeport_ips, kKey);
    return;
  }
  const std::uint32_t local = 2;  // RTN_LOCAL
  r.fib_type(NFTA_FIB_F_DADDR, kScratch).compare(kScratch, true, raw(local));
  destination(r, kScratch);
  if (family_ == Family::ipv4) {
    const std::uint32_t mask = htonl(0xff000000), none = 0, loopback = htonl(0x7f000000);
    r.bitwise(kScratch, kScratch, raw(mask), raw(none)).compare(kScratch, false, raw(loopback));
  } else {
    std::string loopback(16, '\0');
    loopback.back() = 1;
    r.compare(kScratch, false, loopback);
  }
}

// detectLocalMode. False when there is no way to tell.
bool Rules::local_source(NftRule& r, bool is_local) const {
  if (options_.local.mode == LocalDetector::Mode::interface) {
    std::string name = options_.local.value;
    const bool prefix = !name.empty() && name.back() == '+';
    if (prefix) name.pop_back();
    if (!prefix) name.resize(IFNAMSIZ, '\0');
    r.meta(NFT_META_IIFNAME, kScratch).compare(kScratch, is_local, name);
    return true;
  }
  const auto cidr = options_.local.enabled() ? IpPrefix::parse(options_.local.value) : std::nullopt;
  if (!cidr) return false;
  std::string mask(address_bytes(), '\0');
  for (unsigned bit = 0; bit < cidr->bits; ++bit) mask[bit / 8] = static_cast<char>(mask[bit / 8] | 0x80 >> bit % 8);
  const std::string zero(address_bytes(), '\0');
  const auto* end = reinterpret_cast<const char*>(cidr->address.bytes.data()) + cidr->address.bytes.size();
  source(r, kScratch);
  r.bitwise(kScratch, kScratch, mask, zero)
      .compare(kScratch, is_local, std::string_view(end - address_bytes(), address_bytes()));
  return true;
}

void Rules::frontend(NftRule& r, bool node_ports) const {
  r.meta(NFT_META_L4PROTO, kHandler).meta(NFT_META_L4PROTO, kService);
  r.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, kService + 1);
  if (node_ports) {
    protocol_and_port(r, kKey);
  } else {
    service_key(r);
  }
  r.look_up(node_ports ? NftSet::nodeport_frontends : NftSet::service_frontends, kKey, kFrontend);
}

void Rules::finish(NftRule& r, const Balance& b, unsigned target) const {
  if (b.masquerade) mark(r);
  r.dnat(family_, target, target + address_words());
}

// The client keeps its endpoint while that stands; else one is chosen and remembered.
template <class Match>
void Rules::sticky(const Balance& b, std::uint32_t first, Match match) {
  // spare . address . port end where the service id begins, so that address . port . service is one key.
  const unsigned target = kService - 1 - address_words(), spare = target - 1;
  const auto shadow = [&](NftRule& r) {
    destination(r, target);
    r.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, kService - 1);
  };
  NftRule known;
  match(known);
  frontend(known, b.node_ports);
  shadow(known);
  source(known, kAfter);
  known.look_up(NftSet::affinity, kService, spare)
      .in_set(b.local ? NftSet::sticky_local : NftSet::sticky_endpoints, target)
      .number(0, spare)
      .remember(NFT_DYNSET_OP_UPDATE, NftSet::affinity, kService, spare, b.affinity_seconds);
  finish(known, b, target);
  writer_.append_rule(b.chain, known);

  NftRule chosen;
  match(chosen);
  frontend(chosen, b.node_ports);
  shadow(chosen);
  chosen.random(b.count, first, kAfter).look_up(NftSet::sticky_choices, kService, spare).number(0, spare);
  source(chosen, kAfter);
  chosen
      .remember(NFT_DYNSET_OP_DELETE, NftSet::affinity, kService, spare, 0)  // an update leaves what is remembered
      .remember(NFT_DYNSET_OP_UPDATE, NftSet::affinity, kService, spare, b.affinity_seconds);
  finish(chosen, b, target);
  writer_.append_rule(b.chain, chosen);
}

template <class Match>
void Rules::balance(const Balance& b, Match match) {
  const std::uint32_t first = b.local ? kLocalIndex : 0;
  if (b.count == 0) return;
  const bool has_affinity = b.affinity_seconds != 0;
  if (has_affinity) sticky(b, first, match);
  const auto look_up = [&](NftRule& r) {
    if (has_affinity) {
      const unsigned target = kService - 1 - address_words();
      destination(r, target);
      r.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, kService - 1);
      r.look_up(NftSet::sticky_choices, kService, target - 1);
      finish(r, b, target);
    } else {
      r.look_up(NftSet::service_endpoints, kService, kTarget);
      finish(r, b, kTarget);
    }
    writer_.append_rule(b.chain, r);
  };
  NftRule any;  // with affinity: when no more clients can be remembered
  match(any);
  frontend(any, b.node_ports);
  look_up(any.random(b.count, first, kAfter));
  if (b.count == 1) return;
  // A packet that came here before a change and looks endpoints up after it may ask for one too many.
  NftRule fallback;
  match(fallback);
  frontend(fallback, b.node_ports);
  look_up(fallback.number(first, kAfter));
}

void Rules::handler(const NftHandler& h) {
  using Kind = NftHandler::Kind;
  const auto always = [](NftRule&) {};
  Balance b;
  b.chain = h.chain();
  b.node_ports = h.for_node_ports();
  b.affinity_seconds = h.affinity_seconds;
  Balance local = b;
  local.local = true;
  b.count = h.cluster;
  local.count = h.local;
  switch (h.kind) {
    case Kind::internal:
    case Kind::internal_local: {
      NftRule r;
      if (options_.masquerade_all || local_source(r, false)) {
        mark(r);
        writer_.append_rule(b.chain, r);
      }
      balance(h.kind == Kind::internal ? b : local, always);
      return;
    }
    case Kind::external:
    case Kind::nodeport:
      b.masquerade = true;
      balance(b, always);
      return;
    case Kind::external_local:
    case Kind::nodeport_local: {
      // Pods and the node itself are not bound by the policy: for them any endpoint will do.
      NftRule probe;
      if (local_source(probe, true)) balance(b, [this](NftRule& r) { (void)local_source(r, true); });
      b.masquerade = true;
      balance(b, [](NftRule& r) { source_is_ours(r); });
      balance(local, always);
      return;
    }
  }
}

NftRule Rules::firewall(std::uint32_t bits) const {
  NftRule r;
  service_key(r);
  const unsigned at = kKey + address_words() + 2;
  std::string mask(address_bytes(), '\0');
  for (unsigned bit = 0; bit < bits; ++bit) mask[bit / 8] = static_cast<char>(mask[bit / 8] | 0x80 >> bit % 8);
  source(r, at);
  r.bitwise(at, at, mask, std::string(mask.size(), '\0'))
      .number(bits, at + address_words())
      .in_set(NftSet::firewall_sources, kKey)
      .verdict(NFT_RETURN);
  return r;
}

void Rules::fixed() {
  for (const char* hook : {"filter-prerouting-pre-dnat", "filter-output-pre-dnat"}) {
    jump_when_new(hook, kFirewallCheck);
  }
  jump_when_new("filter-input", kNodePortCheck);
  for (const char* hook : {"filter-input", "filter-forward", "filter-output"}) jump_when_new(hook, kEndpointsCheck);
  for (const char* hook : {"filter-forward", "filter-output"}) jump_when_new(hook, kClusterIpsCheck);
  for (const char* hook : {"nat-prerouting", "nat-output"}) append(hook, NftRule().verdict(NFT_JUMP, kServicesChain));
  append("nat-postrouting", NftRule().verdict(NFT_JUMP, kMasquerading));

  NftRule service, node_port;
  frontend(service, false);
  append(kServicesChain, service.dispatch(NftSet::handlers, kHandler));
  to_node_port(node_port);
  frontend(node_port, true);
  append(kServicesChain, node_port.dispatch(NftSet::handlers, kHandler));

  NftRule guarded;
  service_key(guarded);
  append(kFirewallCheck, guarded.in_set(NftSet::firewalled_services, kKey).verdict(NFT_GOTO, kFirewallSources));
  append(kFirewallSources, NftRule().verdict(NF_DROP));

  NftRule rejected, dropped, rejected_port, dropped_port, cluster_ip;
  service_key(rejected);
  append(kEndpointsCheck, rejected.in_set(NftSet::rejected_services, kKey).verdict(NFT_GOTO, kReject));
  service_key(dropped);
  append(kEndpointsCheck, dropped.in_set(NftSet::dropped_services, kKey).verdict(NF_DROP));
  to_node_port(rejected_port);
  protocol_and_port(rejected_port, kKey);
  append(kNodePortCheck, rejected_port.in_set(NftSet::rejected_nodeports, kKey).verdict(NFT_GOTO, kReject));
  to_node_port(dropped_port);
  protocol_and_port(dropped_port, kKey);
  append(kNodePortCheck, dropped_port.in_set(NftSet::dropped_nodeports, kKey).verdict(NF_DROP));
  destination(cluster_ip, kKey);
  append(kClusterIpsCheck, cluster_ip.in_set(NftSet::cluster_ips, kKey).verdict(NFT_GOTO, kReject));
  append(kReject, NftRule().reject(family_));

  NftRule marked, hairpin;
  const std::uint32_t bit = options_.masquerade_mark, none = 0, all = ~0u, translated = IPS_DST_NAT;
  marked.meta(NFT_META_MARK, kScratch).bitwise(kScratch, 1, raw(bit), raw(none)).compare(1, false, raw(none));
  append(kMasquerading, marked.bitwise(kScratch, kScratch, raw(all), raw(bit)).set_mark(kScratch).masquerade());
  hairpin.ct(NFT_CT_STATUS, kScratch).bitwise(kScratch, kScratch, raw(translated), raw(none));
  hairpin.compare(kScratch, false, raw(none));
  source(hairpin, kKey);
  destination(hairpin, kKey + address_words());
  append(kMasquerading, hairpin.in_set(NftSet::hairpin_endpoints, kKey).masquerade());
}

}  // namespace

const std::vector<NftBaseChain>& nft_base_chains() {
  constexpr std::int32_t kDnat = NF_IP_PRI_NAT_DST, kSnat = NF_IP_PRI_NAT_SRC, kFilter = NF_IP_PRI_FILTER;
  static const std::vector<NftBaseChain> kChains{
      {"filter-prerouting-pre-dnat", "filter", NF_INET_PRE_ROUTING, kDnat - 10},
      {"filter-output-pre-dnat", "filter", NF_INET_LOCAL_OUT, kDnat - 10},
      {"filter-input", "filter", NF_INET_LOCAL_IN, kFilter},
      {"filter-forward", "filter", NF_INET_FORWARD, kFilter},
      {"filter-output", "filter", NF_INET_LOCAL_OUT, kFilter},
      {"nat-prerouting", "nat", NF_INET_PRE_ROUTING, kDnat},
      {"nat-output", "nat", NF_INET_LOCAL_OUT, kDnat},
      {"nat-postrouting", "nat", NF_INET_POST_ROUTING, kSnat},
  };
  return kChains;
}

const std::vector<const char*>& nft_chains() {
  static const std::vector<const char*> kChains{kServicesChain, kFirewallCheck,   kFirewallSources, kEndpointsCheck,
                                                kNodePortCheck, kClusterIpsCheck, kMasquerading,    kReject};
  return kChains;
}

bool is_nft_chain(std::string_view chain) {
  for (const NftBaseChain& c : nft_base_chains()) {
    if (chain == c.name) return true;
  }
  const auto& fixed = nft_chains();
  if (std::any_of(fixed.begin(), fixed.end(), [chain](const char* c) { return chain == c; })) return true;
  static constexpr std::array<std::string_view, 3> kHandlers{"internal-", "external-", "nodeport-"};
  return std::any_of(kHandlers.begin(), kHandlers.end(), [chain](std::string_view h) {
    return chain.starts_with(h) && (chain.substr(h.size()).starts_with("local-") ||
                                    (chain.size() > h.size() && chain[h.size()] >= '0' && chain[h.size()] <= '9'));
  });
}

void write_fixed_rules(NftWriter& writer, const CompileOptions& options) { Rules(writer, options).fixed(); }

void write_handler_rules(NftWriter& writer, const NftHandler& handler, const CompileOptions& options) {
  Rules(writer, options).handler(handler);
}

void write_firewall_rule(NftWriter& writer, std::uint32_t prefix_bits, Family family) {
  CompileOptions options;
  options.family = family;
  writer.insert_rule(kFirewallSources, Rules(writer, options).firewall(prefix_bits));
}

}  // namespace keelson::proxy
