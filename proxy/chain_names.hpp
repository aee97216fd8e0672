// Names of the iptables chains, as upstream's pkg/proxy/iptables/proxier.go makes them, so that tools and people that
// know kube-proxy's chains find ours.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::proxy {

enum class ChainKind : std::uint8_t { svc, svl, ext, fw, sep };

// A per-service or per-endpoint chain, packed: the kind and the 16 characters of its hash.
struct ChainId {
  ChainKind kind = ChainKind::svc;
  std::array<char, 16> hash{};

  [[nodiscard]] std::string name() const;  // "KUBE-SVC-XPGD46QRK7WJZT7O"
  auto operator<=>(const ChainId&) const = default;
};

// `port_name` is "namespace/name[:port]", `protocol` lower case.
[[nodiscard]] ChainId service_chain(ChainKind kind, std::string_view port_name, std::string_view protocol);
// `endpoint` is "IP:port", or "[IP]:port".
[[nodiscard]] ChainId endpoint_chain(std::string_view port_name, std::string_view protocol, std::string_view endpoint);
// Whether `name` has a prefix of the chains above.
[[nodiscard]] bool is_service_chain(std::string_view name);
// Whether `name` is any chain that the proxy makes, of those above or of the fixed ones.
[[nodiscard]] bool is_our_chain(std::string_view name);

inline constexpr const char* kServices = "KUBE-SERVICES";
inline constexpr const char* kExternalServices = "KUBE-EXTERNAL-SERVICES";
inline constexpr const char* kNodePorts = "KUBE-NODEPORTS";
inline constexpr const char* kForward = "KUBE-FORWARD";
inline constexpr const char* kProxyFirewall = "KUBE-PROXY-FIREWALL";
inline constexpr const char* kFirewall = "KUBE-FIREWALL";
inline constexpr const char* kPostrouting = "KUBE-POSTROUTING";
inline constexpr const char* kMarkMasq = "KUBE-MARK-MASQ";
inline constexpr const char* kCanary = "KUBE-PROXY-CANARY";
inline constexpr const char* kHint = "KUBE-IPTABLES-HINT";

}  // namespace keelson::proxy
