// Upgraded connections (SPDY/3.1 and WebSocket): the client's request goes on to the runtime's streaming server, and
// from then on bytes are copied both ways, each end's half-close included. What the two agree on is theirs.
// After upstream's kubelet, which proxies and never redirects (k8s.io/kubelet pkg/cri/streaming).
#pragma once

#include <string>

#include "agent/server/http.hpp"

namespace keelson::agent {

struct StreamUrl {
  std::string host, port;
  std::string target;  // path and query
};

// An http URL as runtimes give it. Errors: invalid_argument, for another scheme too.
[[nodiscard]] Result<StreamUrl> parse_stream_url(std::string_view url);

// The client's request as the streaming server gets it: its own target and Host, all other headers as they came.
[[nodiscard]] std::string forwarded_request(const HttpRequest& request, const StreamUrl& url);

// Returns when both directions have ended, or nothing moved in either for `idle` (upstream:
// streamingConnectionIdleTimeout). Errors: the server cannot be reached; nothing was answered then.
Awaitable<Result<void>> proxy_upgrade(HttpRequest& request, ResponseWriter& response, StreamUrl url,
                                      Nanoseconds idle = std::chrono::hours(4));

}  // namespace keelson::agent
