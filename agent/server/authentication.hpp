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
  Awaitable<std::optional<UserInfo>> authenticate(const HttpRequest& request, const ClientCertificates& certificates);

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

// The body of a TokenReview of `token`, and what the API server's answer says: a user, or nobody. Error: the review
// itself failed.
[[nodiscard]] std::string token_review_body(const std::string& token);
[[nodiscard]] Result<std::optional<UserInfo>> parse_token_review(const std::string& answer);

}  // namespace keelson::agent
