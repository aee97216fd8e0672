// The ranges that cluster IPs of the folder's Services come from: --service-cidr, at most one per address family.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "proxy/ip.hpp"

namespace keelson::agent {

struct ServiceRange {
  proxy::IpPrefix prefix;
  std::uint32_t count = 0;  // addresses to give out, from the one after the prefix' own

  [[nodiscard]] proxy::Family family() const { return prefix.family(); }
  // `index` < count.
  [[nodiscard]] std::string at(std::uint32_t index) const;
  [[nodiscard]] bool has(const proxy::IpAddress& ip) const;
};

// "10.96.0.0/16" (/8 to /30), "fd00:96::/112" (/64 to /126; 65,535 addresses of it are given out at most, as the API
// server does), or one of each with a comma between, the family first that Services have when they do not say.
Result<std::vector<ServiceRange>> parse_service_ranges(const std::string& cidrs);

}  // namespace keelson::agent
