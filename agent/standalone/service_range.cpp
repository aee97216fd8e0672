#include "agent/standalone/service_range.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace keelson::agent {
namespace {

constexpr unsigned kMaxHostBits6 = 16;

// The last four bytes hold whatever differs between addresses of one range.
std::uint32_t low_bits(const proxy::IpAddress& ip) {
  std::uint32_t out = 0;
  for (std::size_t i = 12; i < 16; ++i) out = out << 8 | ip.bytes[i];
  return out;
}

Result<ServiceRange> parse_range(const std::string& cidr) {
  const auto prefix = proxy::IpPrefix::parse(cidr);
  const bool four = prefix && prefix->family() == proxy::Family::ipv4;
  if (!prefix || prefix->bits < (four ? 8 : 64) || prefix->bits > (four ? 30 : 126)) {
    return make_error(Errc::invalid_argument, "\"" + cidr +
                                                  "\" is not a range such as 10.96.0.0/16 (/8 to /30) or "
                                                  "fd00:96::/112 (/64 to /126)");
  }
  if (!four) return ServiceRange{*prefix, (1u << std::min<unsigned>(128 - prefix->bits, kMaxHostBits6)) - 1};
  return ServiceRange{*prefix, (1u << (32 - prefix->bits)) - 2};  // neither the network's nor the broadcast address
}

}  // namespace

std::string ServiceRange::at(std::uint32_t index) const {
  proxy::IpAddress ip = prefix.address;
  std::uint32_t low = low_bits(ip) + 1 + index;
  for (std::size_t i = 16; i-- > 12; low >>= 8) ip.bytes[i] = static_cast<std::uint8_t>(low);
  return ip.to_string();
}

bool ServiceRange::has(const proxy::IpAddress& ip) const {
  const bool same = std::equal(ip.bytes.begin(), ip.bytes.begin() + 12, prefix.address.bytes.begin());
  const std::uint32_t offset = low_bits(ip) - low_bits(prefix.address);
  return same && ip.family() == family() && offset >= 1 && offset <= count;
}

Result<std::vector<ServiceRange>> parse_service_ranges(const std::string& cidrs) {
  std::vector<ServiceRange> out;
  for (const std::string& cidr : split(cidrs, ',')) {
    TRY(auto range, parse_range(cidr));
    if (out.size() == 1 && out[0].family() == range.family()) {
      return make_error(Errc::invalid_argument, "\"" + cidrs + "\" has two ranges of one address family");
    }
    if (out.size() == 2) return make_error(Errc::invalid_argument, "\"" + cidrs + "\" has more than two ranges");
    out.push_back(range);
  }
  return out;
}

}  // namespace keelson::agent
