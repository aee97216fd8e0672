// As much of RFC 3986 as a probe needs: its own URL, and where a redirect leads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::probes {

struct Url {
  bool tls = false;
  std::string authority;  // as written: "10.0.0.1:8080", "example.com", "[fd00::1]:80"
  std::string host;       // of the authority, without port and brackets
  std::uint16_t port = 80;
  std::string target = "/";  // path and query
};

[[nodiscard]] std::string to_string(const Url& url);

// `path` as the request line takes it: no fragment, a leading slash, octets that may not stand there percent-encoded.
[[nodiscard]] std::string request_target(std::string_view path);

// The URL that `reference` (a Location header) names, seen from `base`. Error: another scheme than http and https, or
// no usable host and port.
[[nodiscard]] Result<Url> resolve_reference(const Url& base, std::string_view reference);

}  // namespace keelson::probes
