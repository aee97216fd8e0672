// Whether who makes a request may: what the request means as an access to this node's object, and the API server's
// verdict on that. After upstream's pkg/kubelet/server/auth.go and cmd/kubelet/app/auth.go.
#pragma once

#include "agent/server/flight_cache.hpp"
#include "agent/server/user.hpp"
#include "kube/client/api.hpp"

namespace keelson::agent {

// An access to the resource "nodes".
struct NodeAccess {
  std::string verb;                       // "get", "create", "update", "patch", "delete"; empty for other methods
  std::vector<std::string> subresources;  // any one of them will do; the finest first
  bool operator==(const NodeAccess&) const = default;
};

// What a request for `path` (without query) means. Pure.
[[nodiscard]] NodeAccess node_access(std::string_view method, std::string_view path);

enum class AuthorizationMode { always_allow, webhook };

struct AuthorizationOptions {
  AuthorizationMode mode = AuthorizationMode::webhook;
  Nanoseconds allow_ttl = std::chrono::minutes(5);
  Nanoseconds deny_ttl = std::chrono::seconds(30);
};

// Why a request is refused, as the client sees it.
struct AccessRefusal {
  int status = 403;
  std::string text;
};

class Authorizer {
 public:
  // `api` may be null where there is no API server: then `webhook` refuses everything. `api` and `clock` must outlive
  // this.
  Authorizer(Executor executor, kube::Api* api, const Clock& clock, std::string node_name,
             AuthorizationOptions options);

  // Nothing: `user` may.
  Awaitable<std::optional<AccessRefusal>> check(UserInfo user, NodeAccess access);

  // Ends reviews on their way.
  Awaitable<void> stop() { return reviews_.stop(); }

 private:
  Awaitable<Result<FlightCache<bool>::Fresh>> review(std::string body);

  kube::Api* api_;
  std::string node_name_;
  AuthorizationOptions options_;
  FlightCache<bool> reviews_;  // by the SHA-256 of the review's body
};

// The body of a SubjectAccessReview, and whether the API server's answer allows. Error: the review itself failed.
[[nodiscard]] std::string access_review_body(const UserInfo& user, const std::string& verb,
                                             const std::string& subresource, const std::string& node);
[[nodiscard]] Result<bool> parse_access_review(const std::string& answer);

}  // namespace keelson::agent
