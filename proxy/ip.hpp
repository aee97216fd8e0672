// IP addresses and prefixes as 16-byte values: IPv4 is kept v4-mapped, so that one type holds both families.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::proxy {

enum class Family : std::uint8_t { ipv4, ipv6 };
inline constexpr std::array<Family, 2> kFamilies{Family::ipv4, Family::ipv6};
[[nodiscard]] constexpr std::size_t index_of(Family family) { return static_cast<std::size_t>(family); }
[[nodiscard]] constexpr const char* to_string(Family family) { return family == Family::ipv4 ? "IPv4" : "IPv6"; }

struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  // all zero: no address

  // The address written in `text` (surrounding blanks allowed), or nothing. "::ffff:1.2.3.4" is the IPv4 address.
  static std::optional<IpAddress> parse(std::string_view text);
  // From 4 (IPv4) or 16 bytes in network order.
  static IpAddress from_bytes(const void* data, std::size_t size);

  [[nodiscard]] bool is_set() const { return *this != IpAddress{}; }
  [[nodiscard]] Family family() const;
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] std::string to_string() const;
  // "IP:port", for IPv6 "[IP]:port".
  [[nodiscard]] std::string with_port(std::uint16_t port) const;

  auto operator<=>(const IpAddress&) const = default;
};

struct IpPrefix {
  IpAddress address;                     // host bits are zero
  std::uint8_t bits = 0;                 // of its own family: 0..32 or 0..128
  Family address_family = Family::ipv4;  // kept apart from the address: "::/0" has no set bit that tells it

  // "ADDRESS/BITS" (surrounding blanks allowed; host bits are cleared), or nothing.
  static std::optional<IpPrefix> parse(std::string_view text);
  [[nodiscard]] Family family() const { return address_family; }
  [[nodiscard]] bool contains(const IpAddress& ip) const;
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const IpPrefix&) const = default;
};

}  // namespace keelson::proxy
