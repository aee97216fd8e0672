// What downwardAPI and projected volumes ask of the rest of the agent: values of the pod's fields, and service account
// tokens. volumes/ knows neither field paths nor the API server.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/async.hpp"
#include "kube/pod.hpp"

namespace keelson::volumes {

// The value that a file of the downward API shows (fieldRef or resourceFieldRef). Errors carry upstream's texts.
using FieldSource = std::function<Result<std::string>(const kube::Pod& pod, const kube::DownwardApiFile& file)>;

struct TokenRequest {
  std::string ns;
  std::string service_account;
  std::string audience;  // empty: the API server's
  std::int64_t expiration_seconds = 3600;
  std::string pod_name;
  std::string pod_uid;
  bool operator==(const TokenRequest&) const = default;
};

struct ServiceAccountToken {
  std::string text;
  SystemTime refresh_at{};  // ask again then, and the answer may be another
};

class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // A token bound to the pod, valid now.
  virtual Awaitable<Result<ServiceAccountToken>> token(TokenRequest request) = 0;
};

}  // namespace keelson::volumes
