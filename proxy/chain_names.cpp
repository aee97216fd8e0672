#include "proxy/chain_names.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace keelson::proxy {
namespace {

constexpr std::array<std::string_view, 5> kPrefixes{"KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-"};
constexpr std::array<std::string_view, 10> kFixed{kServices, kExternalServices, kNodePorts, kForward, kProxyFirewall,
                                                  kFirewall, kPostrouting,      kMarkMasq,  kCanary,  kHint};

// The first 16 characters of standard base32 (RFC 4648) of the SHA-256: a chain's name has at most 28 characters.
std::array<char, 16> short_hash(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const std::string digest = sha256(text);
  std::array<char, 16> out{};
  std::uint64_t bits = 0;
  unsigned have = 0;
  std::size_t next = 0;
  for (char& c : out) {
    if (have < 5) {
      bits = bits << 8 | static_cast<std::uint8_t>(digest[next++]);
      have += 8;
    }
    have -= 5;
    c = kAlphabet[bits >> have & 31];
  }
  return out;
}

}  // namespace

std::string ChainId::name() const {
  std::string text(kPrefixes[static_cast<std::size_t>(kind)]);
  return text.append(hash.data(), hash.size());
}

ChainId service_chain(ChainKind kind, std::string_view port_name, std::string_view protocol) {
  return {kind, short_hash(std::string(port_name).append(protocol))};
}

ChainId endpoint_chain(std::string_view port_name, std::string_view protocol, std::string_view endpoint) {
  return {ChainKind::sep, short_hash(std::string(port_name).append(protocol).append(endpoint))};
}

bool is_service_chain(std::string_view name) {
  return std::any_of(kPrefixes.begin(), kPrefixes.end(), [name](std::string_view p) { return name.starts_with(p); });
}

bool is_our_chain(std::string_view name) {
  return is_service_chain(name) || std::find(kFixed.begin(), kFixed.end(), name) != kFixed.end();
}

}  // namespace keelson::proxy
