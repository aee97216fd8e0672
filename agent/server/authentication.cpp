#include "agent/server/authentication.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr std::string_view kTokenReviews = "/apis/authentication.k8s.io/v1/tokenreviews";

UserInfo with_authenticated_group(UserInfo user) {
  const std::string group = "system:authenticated";
  if (user.name != "system:anonymous" &&
      std::find(user.groups.begin(), user.groups.end(), group) == user.groups.end()) {
    user.groups.push_back(group);
  }
  return user;
}

// base64url without padding, as the subprotocol has it.
std::optional<std::string> decode_base64url(std::string_view text) {
  std::string standard(text);
  if (standard.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") !=
          std::string::npos ||
      standard.size() % 4 == 1) {
    return std::nullopt;
  }
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  standard.append((4 - standard.size() % 4) % 4, '=');
  std::string out;
  if (!base64_decode(standard, out)) return std::nullopt;
  return out;
}

UserInfo anonymous_user() { return {.name = "system:anonymous", .groups = {"system:unauthenticated"}}; }

}  // namespace

std::string bearer_token(const HttpRequest& request) {
  const auto value = trim(request.header("authorization"));
  const auto space = value.find(' ');
  if (space == std::string_view::npos || to_lower(value.substr(0, space)) != "bearer") return {};
  const auto rest = value.substr(space + 1);
  return std::string(rest.substr(0, rest.find(' ')));
}

Result<std::string> take_protocol_token(HttpRequest& request) {
  constexpr std::string_view kHeader = "sec-websocket-protocol", kPrefix = "base64url.bearer.authorization.k8s.io.";
  if (!request.wants_upgrade() || to_lower(request.header("upgrade")) != "websocket") return std::string();
  std::vector<std::string> others, tokens;
  for (const auto& [name, value] : request.headers) {
    if (to_lower(name) != kHeader) continue;
    for (const auto& part : split(value, ',')) {
      const auto protocol = trim(part);
      auto& list = protocol.starts_with(kPrefix) ? tokens : others;
      list.emplace_back(protocol);
    }
  }
  if (tokens.empty()) return std::string();
  std::erase_if(request.headers, [&](const auto& header) { return to_lower(header.first) == kHeader; });
  if (!others.empty()) request.headers.emplace_back("Sec-WebSocket-Protocol", join(others, ","));
  if (tokens.size() > 1) return make_error(Errc::permission_denied, "several tokens among the subprotocols");
  if (others.empty()) return make_error(Errc::permission_denied, "no subprotocol beside the token's");
  auto token = decode_base64url(std::string_view(tokens.front()).substr(kPrefix.size()));
  if (!token) {
    return make_error(Errc::permission_denied, "the subprotocol's token is no base64url");
  }
  return std::move(*token);
}

std::string token_review_body(const std::string& token) {
  const json body = {{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenReview"}, {"spec", {{"token", token}}}};
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<std::optional<UserInfo>> parse_token_review(const std::string& answer) {
  try {
    const json review = json::parse(answer);
    const json status = review.value("status", json::object());
    if (const auto error = status.value("error", ""); !error.empty()) {
      return make_error(Errc::permission_denied, "token review: " + error);
    }
    if (!status.value("authenticated", false)) return std::optional<UserInfo>();
    const json user = status.value("user", json::object());
    UserInfo out;
    out.name = user.value("username", "");
    out.uid = user.value("uid", "");
    out.groups = user.value("groups", std::vector<std::string>());
    out.extra = user.value("extra", std::map<std::string, std::vector<std::string>>());
    return std::optional<UserInfo>(std::move(out));
  } catch (const json::exception& e) {
    return make_error(Errc::internal, std::string("token review: ") + e.what());
  }
}

Authenticator::Authenticator(Executor executor, kube::Api* api, const Clock& clock, AuthenticationOptions options)
    : api_(api), options_(std::move(options)), reviews_(std::move(executor), clock, "token review") {
  if (!options_.client_ca_file.empty()) client_ca_.emplace(options_.client_ca_file, clock);
}

Awaitable<std::optional<UserInfo>> Authenticator::authenticate(HttpRequest& request,
                                                               const ClientCertificates& certificates) {
  bool shown = false;
  auto protocol_token = take_protocol_token(request);
  if (client_ca_ && !certificates.empty()) {
    shown = true;
    auto user = client_ca_->verify(certificates);
    if (user) co_return with_authenticated_group(std::move(*user));
    log_debug("request not authenticated", {{"error", user.error()}});
  }
  auto token = bearer_token(request);
  if (!protocol_token) {
    log_debug("request not authenticated", {{"error", protocol_token.error()}});
    shown = true;
  } else if (token.empty()) {
    token = std::move(*protocol_token);
  }
  if (options_.webhook && api_ && !token.empty()) {
    shown = true;
    auto key = sha256(token);
    auto fetch = [this, token = std::move(token)] { return review(token); };
    const auto user = co_await reviews_.get(std::move(key), std::move(fetch));
    if (user && *user) co_return with_authenticated_group(**user);
    if (!user) log_warn("request not authenticated", {{"error", user.error()}});
  }
  if (!shown && options_.anonymous) co_return anonymous_user();
  co_return std::nullopt;
}

Awaitable<Result<FlightCache<Authenticator::Reviewed>::Fresh>> Authenticator::review(std::string token) {
  kube::ApiRequest request;
  request.method = "POST";
  request.path = kTokenReviews;
  request.body = token_review_body(token);
  CO_TRY(const auto answer, co_await api_->send(std::move(request)));
  CO_TRY(auto user, parse_token_review(answer));
  FlightCache<Reviewed>::Fresh fresh;
  fresh.value = std::move(user);
  fresh.keep = options_.cache_ttl;
  co_return fresh;
}

}  // namespace keelson::agent
