#include "agent/cluster/token_manager.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "base/log.hpp"
#include "kube/client/resource.hpp"
#include "kube/time.hpp"

namespace keelson::agent {
namespace {

constexpr Nanoseconds kLongestUse = std::chrono::hours(24);
constexpr Seconds kJitter{10};
constexpr Nanoseconds kRetry = std::chrono::minutes(1);

// Names what was asked for; without secrets, so that it may be logged.
std::string key_of(const volumes::TokenRequest& r) {
  return "\"" + r.service_account + "\"/\"" + r.ns + "\"/[" + r.audience + "]/" + std::to_string(r.expiration_seconds) +
         "/Pod " + r.pod_name + " " + r.pod_uid;
}

Nanoseconds random_jitter() {
  static thread_local std::minstd_rand engine{std::random_device{}()};
  return Seconds(std::uniform_int_distribution<int>(0, static_cast<int>(kJitter.count()) - 1)(engine));
}

}  // namespace

SystemTime IssuedToken::refresh_at(Nanoseconds jitter) const {
  const SystemTime issued = expires - lifetime;
  return std::min(issued + kLongestUse, expires - Nanoseconds(lifetime) / 5) - jitter;
}

std::string token_request_body(const volumes::TokenRequest& r) {
  nlohmann::json spec = {
      {"audiences", nlohmann::json::array()},
      {"expirationSeconds", r.expiration_seconds},
      {"boundObjectRef", {{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", r.pod_name}, {"uid", r.pod_uid}}}};
  if (!r.audience.empty()) spec["audiences"].push_back(r.audience);
  return kube::to_text({{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}, {"spec", spec}});
}

Result<IssuedToken> parse_issued_token(const std::string& answer) {
  const auto json = nlohmann::json::parse(answer, nullptr, false);
  const auto unusable = [](const char* what) {
    return make_error(Errc::internal, std::string("the API server's TokenRequest has no ") + what);
  };
  if (!json.is_object() || !json.contains("status") || !json["status"].is_object()) return unusable("status");
  const auto& status = json["status"];
  IssuedToken out;
  if (!status.contains("token") || !status["token"].is_string()) return unusable("status.token");
  out.text = status["token"];
  if (!status.contains("expirationTimestamp") || !status["expirationTimestamp"].is_string()) {
    return unusable("status.expirationTimestamp");
  }
  TRY(out.expires, kube::parse_time(status["expirationTimestamp"].get<std::string>()));
  const nlohmann::json* seconds = nullptr;
  if (json.contains("spec") && json["spec"].is_object()) {
    const auto found = json["spec"].find("expirationSeconds");
    if (found != json["spec"].end() && found->is_number_integer()) seconds = &*found;
  }
  if (seconds == nullptr) return unusable("spec.expirationSeconds");
  out.lifetime = Seconds(seconds->get<std::int64_t>());
  return out;
}

Awaitable<Result<IssuedToken>> TokenManager::fetch(volumes::TokenRequest request) {
  kube::ApiRequest post;
  post.method = "POST";
  post.path = kube::api_path("v1", "serviceaccounts", request.ns, request.service_account, "token");
  post.body = token_request_body(request);
  Result<std::string> answer = co_await api_.send(std::move(post));
  if (!answer) co_return answer.error();
  co_return parse_issued_token(*answer);
}

Awaitable<Result<volumes::ServiceAccountToken>> TokenManager::token(volumes::TokenRequest request) {
  const std::string key = key_of(request);
  volumes::ServiceAccountToken out;
  if (const auto at_hand = tokens_.find(key); at_hand != tokens_.end() && clock_.now() < at_hand->second.refresh_at) {
    out.text = at_hand->second.token.text;
    out.refresh_at = at_hand->second.refresh_at;
    co_return out;
  }
  const std::string pod_uid = request.pod_uid;
  Result<IssuedToken> issued = co_await fetch(std::move(request));
  const SystemTime now = clock_.now();
  if (issued) {
    drop_expired();
    Entry entry{pod_uid, std::move(*issued), {}};
    entry.refresh_at = std::max(entry.token.refresh_at(random_jitter()), now + Seconds(1));
    out.text = entry.token.text;
    out.refresh_at = entry.refresh_at;
    tokens_[key] = std::move(entry);
    co_return out;
  }
  const auto old = tokens_.find(key);  // it may have gone or come meanwhile
  if (old == tokens_.end()) co_return issued.error().context("failed to fetch token");
  if (old->second.token.expires <= now) {
    co_return issued.error().context("token " + key + " expired and refresh failed");
  }
  log_warn("service account token not refreshed, the old one is still good",
           {{"token", key}, {"error", issued.error()}});
  old->second.refresh_at = std::min(now + kRetry, old->second.token.expires);
  out.text = old->second.token.text;
  out.refresh_at = old->second.refresh_at;
  co_return out;
}

void TokenManager::forget(const std::string& pod_uid) {
  std::erase_if(tokens_, [&](const auto& entry) { return entry.second.pod_uid == pod_uid; });
}

void TokenManager::drop_expired() {
  const SystemTime now = clock_.now();
  std::erase_if(tokens_, [&](const auto& entry) { return entry.second.token.expires <= now; });
}

}  // namespace keelson::agent
