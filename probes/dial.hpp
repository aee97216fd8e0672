// The connecting half of a tcpSocket or httpGet attempt.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>

#include "base/async.hpp"
#include "probes/deadline.hpp"

namespace keelson::probes {

// The address that the text is, if it is a literal.
[[nodiscard]] std::optional<asio::ip::address> address_literal(const std::string& host);

// Connects to `address`, or to the first address of `host` that answers. The error's text is Go's: "dial tcp
// 10.0.0.1:80: connect: connection refused". The deadline on the socket ends the connecting; a lookup it cannot break
// off (the system resolver's, on a thread of Asio; only names need it), but nothing is connected after it.
Awaitable<Result<void>> dial(asio::ip::tcp::socket& socket, const Deadline& deadline,
                             std::optional<asio::ip::address> address, const std::string& host, std::uint16_t port);

}  // namespace keelson::probes
