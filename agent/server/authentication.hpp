// Who makes a request: a client certificate, else a bearer token that the API server knows, else, where allowed,
// nobody in particular. After upstream's cmd/kubelet/app/auth.go BuildAuthn and k8s.io/apiserver
// pkg/authentication/authenticatorfactory/delegating.go.
#pragma once

#include <optional>

#include "agent/server/client_certificate.hpp"
#include "agent/server/flight_cache.hpp"
#include "agent/server/http.hpp"
#include "kube/client/api.hpp"

namespace keelson::agent {

struct AuthenticationOptions {
  std::filesystem::path client_ca_file;  // authentication.x509.clientCAFile; empty: certificates count for nothing
  bool webhook = true;                   // authentication.webhook.enabled: bearer tokens, by TokenReview
  Nanoseconds cache_ttl = std::chrono::minutes(2);  // of a review, good or bad
  bool anonymous = false;                           // authentication.anonymous.enabled
};

class Authenticator {
 public:
  // `api` may be null where there is no API server: then no token is good. `api` and `clock` must outlive this.
  Authenticator(Executor executor, kube::Api* api, const Clock& clock, AuthenticationOptions options);

  // Nobody (401) when no credential is good, and also when one was shown that is not, whatever `anonymous` says. Users
  // have the group system:authenticated beside their own.
  // A token among the WebSocket subprotocols is taken out of the request: whoever answers must not choose it.
  Awaitable<std::optional<UserInfo>> authenticate(HttpRequest& request, const ClientCertificates& certificates);

  // Ends reviews on their way.
  Awaitable<void> stop() { return reviews_.stop(); }

 private:
  using Reviewed = std::optional<UserInfo>;
  Awaitable<Result<FlightCache<Reviewed>::Fresh>> review(std::string token);

  kube::Api* api_;
  AuthenticationOptions options_;
  std::optional<ClientCa> client_ca_;
  FlightCache<Reviewed> reviews_;  // by the token's SHA-256
};

// The token of "Authorization: Bearer TOKEN"; empty when there is none.
[[nodiscard]] std::string bearer_token(const HttpRequest& request);

// The token that a browser's WebSocket, which cannot set headers, gives as the subprotocol
// "base64url.bearer.authorization.k8s.io.TOKEN", taken out of the request; empty when there is none, or no WebSocket.
// Errors: broken encoding, two tokens, or no other subprotocol to agree on. (k8s.io/apiserver
// pkg/authentication/request/websocket)
Result<std::string> take_protocol_token(HttpRequest& request);

// The body of a TokenReview of `token`, and what the API server's answer says: a user, or nobody. Error: the review
// itself failed.
[[nodiscard]] std::string token_review_body(const std::string& token);
[[nodiscard]] Result<std::optional<UserInfo>> parse_token_review(const std::string& answer);

}  // namespace keelson::agent
