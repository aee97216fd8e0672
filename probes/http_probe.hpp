// One httpGet attempt, over HTTP or HTTPS. Also what an httpGet lifecycle hook needs.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/async.hpp"
#include "probes/outcome.hpp"
#include "probes/url.hpp"

namespace keelson::kube {
struct HttpGetAction;
}

namespace keelson::probes {

// Everything about a request that stays the same from attempt to attempt, so that an attempt only sends it.
struct HttpTarget {
  Url url;
  std::optional<asio::ip::address> address;  // of url.host where that is a literal; else it is resolved
  std::string host_header;                   // set by httpHeaders; empty: the URL's authority
  std::string headers;                       // lines with CRLF, without Host and Connection
  std::string request;                       // the first request, complete
};

// `pod_ip` is the host unless the action names one; `port` is the action's port, resolved. Error: a header that cannot
// be sent. Follows pkg/probe/http/request.go and pkg/kubelet/util (formatURL, buildHeader).
[[nodiscard]] Result<HttpTarget> make_http_target(const kube::HttpGetAction& action, std::string_view pod_ip,
                                                  std::uint16_t port, std::string_view user_agent = kProbeUserAgent);

struct HttpResponse {
  int status = 0;
  std::string body;      // the first kMaxOutput bytes
  std::string location;  // the Location header
};

// GETs the target once, redirects not followed, certificate not verified. The error's message is what Go's client would
// say (`Get "URL": dial tcp 10.0.0.1:80: connect: connection refused`); Errc::deadline_exceeded after `timeout`,
// Errc::io when the header arrived but the body did not.
Awaitable<Result<HttpResponse>> http_get(std::shared_ptr<const HttpTarget> target, Nanoseconds timeout);

// Follows redirects that stay on the host (10 at most). Success: 200..399, of which a redirect not followed is a
// `warning`; no or another answer is a failure; a body that breaks off is an error. Follows pkg/probe/http/http.go.
Awaitable<Outcome> http_probe(std::shared_ptr<const HttpTarget> target, Nanoseconds timeout);

}  // namespace keelson::probes
