// One client's HTTP/1.1 connection: reads requests one after the other, within limits, and has the router answer them.
#pragma once

#include <memory>

#include "agent/server/router.hpp"

namespace keelson::agent {

struct SessionLimits {
  std::size_t max_header_bytes = 64 * 1024;
  std::size_t max_body_bytes = 1024 * 1024;
  Nanoseconds request{std::chrono::seconds(10)};  // from its first byte to its last
  Nanoseconds idle{std::chrono::seconds(90)};     // between requests
  Nanoseconds write{std::chrono::seconds(30)};    // for a client to take what is written
};

using RequestHandler = std::function<Awaitable<void>(HttpRequest&, ResponseWriter&)>;

// Returns when the connection is over. What goes wrong with the client is answered (400, 408, 413, 431) where it can
// be, and logged at debug level; a handler that throws is logged and answered with 500. `handler` must outlive it.
Awaitable<void> serve_connection(std::shared_ptr<Connection> connection, const RequestHandler& handler,
                                 SessionLimits limits);

// Has the route that fits answer; 404 or 405 where there is none.
Awaitable<void> answer_by(const Router& router, HttpRequest& request, ResponseWriter& response);

}  // namespace keelson::agent
