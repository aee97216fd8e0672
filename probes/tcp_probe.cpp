#include "probes/tcp_probe.hpp"

#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>

#include "probes/dial.hpp"

namespace keelson::probes {

Awaitable<Outcome> tcp_probe(std::shared_ptr<const TcpTarget> target, Nanoseconds timeout) {
  asio::ip::tcp::socket socket(co_await asio::this_coro::executor);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::duration_cast<SteadyTime::duration>(timeout);
  const Deadline deadline(socket, limit);
  const Result<void> connected = co_await dial(socket, deadline, target->address, target->host, target->port);
  Outcome outcome;
  if (deadline.expired()) {
    outcome.kind = OutcomeKind::failure;
    outcome.text = fmt::format("dial tcp {}: i/o timeout", join_host_port(target->host, target->port));
  } else if (!connected) {
    outcome.kind = OutcomeKind::failure;
    outcome.text = connected.error().message;
  } else {
    outcome.kind = OutcomeKind::success;
  }
  co_return outcome;
}

}  // namespace keelson::probes
