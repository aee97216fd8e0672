// Service account tokens for pods: asks the API server (TokenRequest), keeps what it got in memory, and asks again well
// before a token ends. After upstream's pkg/kubelet/token/token_manager.go. Lives on the loop's thread.
#pragma once

#include <map>
#include <string>

#include "base/clock.hpp"
#include "kube/client/api.hpp"
#include "volumes/pod_sources.hpp"

namespace keelson::agent {

// What the API server gave.
struct IssuedToken {
  std::string text;
  SystemTime expires{};
  Seconds lifetime{};  // as granted; the server may give less or more than was asked for

  // When to ask for another: at 80 % of its life or at 24 hours, whichever is first, less `jitter`.
  [[nodiscard]] SystemTime refresh_at(Nanoseconds jitter) const;
};

// The TokenRequest as a request's body, and the token in the answer to it. Pure.
[[nodiscard]] std::string token_request_body(const volumes::TokenRequest& request);
Result<IssuedToken> parse_issued_token(const std::string& answer);

class TokenManager final : public volumes::TokenSource {
 public:
  // `api` and `clock` must outlive this.
  TokenManager(kube::Api& api, const Clock& clock) : api_(api), clock_(clock) {}

  // The token at hand while it is fresh, else a new one. Errors:
  //   failed to fetch token: ERR                   there is none yet
  //   token KEY expired and refresh failed: ERR    the one at hand is of no use any more
  // A refresh that fails earlier is logged, and the old token given, to be asked for again in a minute.
  Awaitable<Result<volumes::ServiceAccountToken>> token(volumes::TokenRequest request) override;

  // The pod is gone.
  void forget(const std::string& pod_uid);
  [[nodiscard]] std::size_t size() const { return tokens_.size(); }

 private:
  struct Entry {
    std::string pod_uid;
    IssuedToken token;
    SystemTime refresh_at{};
  };
  Awaitable<Result<IssuedToken>> fetch(volumes::TokenRequest request);
  void drop_expired();

  kube::Api& api_;
  const Clock& clock_;
  std::map<std::string, Entry> tokens_;  // by what was asked for
};

}  // namespace keelson::agent
