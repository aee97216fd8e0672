#include "proxy/ip.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/strings.hpp"

namespace keelson::proxy {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(trim(text));
  std::uint8_t raw[16];
  if (::inet_pton(AF_INET, terminated.c_str(), raw) == 1) return from_bytes(raw, 4);
  if (::inet_pton(AF_INET6, terminated.c_str(), raw) == 1) return from_bytes(raw, 16);
  return std::nullopt;
}

IpAddress IpAddress::from_bytes(const void* data, std::size_t size) {
  IpAddress ip;
  if (size == 4) {
    std::copy(kMapped.begin(), kMapped.end(), ip.bytes.begin());
    std::memcpy(ip.bytes.data() + kMapped.size(), data, 4);
  } else if (size == 16) {
    std::memcpy(ip.bytes.data(), data, 16);
  }
  return ip;
}

Family IpAddress::family() const {
  return std::equal(kMapped.begin(), kMapped.end(), bytes.begin()) ? Family::ipv4 : Family::ipv6;
}

bool IpAddress::is_loopback() const {
  if (family() == Family::ipv4) return bytes[12] == 127;
  return std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t b) { return b == 0; }) && bytes[15] == 1;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  const bool v4 = family() == Family::ipv4;
  ::inet_ntop(v4 ? AF_INET : AF_INET6, bytes.data() + (v4 ? kMapped.size() : 0), text, sizeof text);
  return text;
}

std::string IpAddress::with_port(std::uint16_t port) const {
  std::string text = to_string();
  if (family() == Family::ipv6) text = '[' + text + ']';
  return text + ':' + std::to_string(port);
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  text = trim(text);
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(text.substr(0, slash));
  unsigned bits = 0;
  const std::string_view number = text.substr(slash + 1);
  const auto [end, ec] = std::from_chars(number.data(), number.data() + number.size(), bits);
  if (!address || number.empty() || ec != std::errc{} || end != number.data() + number.size()) return std::nullopt;
  IpPrefix prefix{*address, 0, address->family()};
  const unsigned width = prefix.address_family == Family::ipv4 ? 32 : 128;
  if (bits > width) return std::nullopt;
  prefix.bits = static_cast<std::uint8_t>(bits);
  for (unsigned bit = 128 - width + bits; bit < 128; ++bit) {
    prefix.address.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
  }
  return prefix;
}

bool IpPrefix::contains(const IpAddress& ip) const {
  if (ip.family() != address_family) return false;
  const unsigned total = bits + (address_family == Family::ipv4 ? 96u : 0u);
  for (unsigned byte = 0; byte * 8 < total; ++byte) {
    const unsigned left = std::min(8u, total - byte * 8);
    const auto mask = static_cast<std::uint8_t>(0xff00u >> left);
    if (((ip.bytes[byte] ^ address.bytes[byte]) & mask) != 0) return false;
  }
  return true;
}

std::string IpPrefix::to_string() const { return address.to_string() + '/' + std::to_string(bits); }

}  // namespace keelson::proxy
