#include "probes/dial.hpp"

#include <fmt/format.h>
#include <netinet/tcp.h>

#include <boost/asio/detail/socket_option.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "probes/outcome.hpp"

namespace keelson::probes {
namespace {

using asio::ip::tcp;

// Upstream's dialer sets SO_LINGER to 1 s so that closed probe connections do not linger. Here that could hold the one
// loop thread in close() for that second when the pod's network is gone. TCP_LINGER2 bounds what is left behind
// (FIN_WAIT2, of a server that never closes) to the same second and never blocks.
using Linger2 = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_LINGER2>;

Awaitable<boost::system::error_code> connect(tcp::socket& socket, tcp::endpoint endpoint) {
  boost::system::error_code error;
  socket.close(error);
  error = {};
  socket.open(endpoint.protocol(), error);
  if (error) co_return error;
  boost::system::error_code ignored;
  socket.set_option(Linger2(1), ignored);
  co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
  co_return error;
}

}  // namespace

std::optional<asio::ip::address> address_literal(const std::string& host) {
  boost::system::error_code error;
  auto address = asio::ip::make_address(host, error);
  if (error) return std::nullopt;
  return address;
}

Awaitable<Result<void>> dial(tcp::socket& socket, const Deadline& deadline, std::optional<asio::ip::address> address,
                             const std::string& host, std::uint16_t port) {
  boost::system::error_code error;
  if (address) {
    const tcp::endpoint endpoint(*address, port);
    error = co_await connect(socket, endpoint);
  } else {
    tcp::resolver resolver(socket.get_executor());
    const std::string service = std::to_string(port);
    const auto found = co_await resolver.async_resolve(host, service, tcp::resolver::numeric_service,
                                                       asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      co_return make_error(Errc::unavailable, fmt::format("dial tcp: lookup {}: {}", host, error_words(error)));
    }
    error = asio::error::timed_out;
    for (const auto& entry : found) {
      if (deadline.expired()) break;
      const tcp::endpoint endpoint = entry.endpoint();
      error = co_await connect(socket, endpoint);
      if (!error) break;
    }
  }
  if (error) {
    const std::string where = join_host_port(address ? address->to_string() : host, port);
    co_return make_error(Errc::unavailable, fmt::format("dial tcp {}: connect: {}", where, error_words(error)));
  }
  co_return Result<void>();
}

}  // namespace keelson::probes
