// One tcpSocket attempt.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/async.hpp"
#include "probes/outcome.hpp"

namespace keelson::probes {

struct TcpTarget {
  std::string host;
  std::optional<asio::ip::address> address;  // of host where that is a literal; else it is resolved
  std::uint16_t port = 0;
};

// Success as soon as a connection stands; everything else is a failure. Follows pkg/probe/tcp/tcp.go.
Awaitable<Outcome> tcp_probe(std::shared_ptr<const TcpTarget> target, Nanoseconds timeout);

}  // namespace keelson::probes
