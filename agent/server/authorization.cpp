#include "agent/server/authorization.hpp"

#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr std::string_view kAccessReviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

struct Rule {
  std::string_view path;
  std::string_view subresource;
  bool proxy_too;  // fine-grained: who may do everything (proxy) may do this
};
constexpr Rule kRules[] = {
    {"/stats", "stats", false},     {"/metrics", "metrics", false},
    {"/logs", "log", false},        {"/checkpoint", "checkpoint", false},
    {"/statusz", "statusz", false}, {"/flagz", "configz", false},
    {"/pods", "pods", true},        {"/runningpods", "pods", true},
    {"/healthz", "healthz", true},  {"/configz", "configz", true},
};

bool is_below(std::string_view path, std::string_view root) {
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

std::string verb_of(std::string_view method) {
  if (method == "GET") return "get";
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return "delete";
  return {};
}

std::string describe(const UserInfo& user, const NodeAccess& access) {
  return "user=" + user.name + ", verb=" + access.verb + ", resource=nodes, subresource";
}

}  // namespace

NodeAccess node_access(std::string_view method, std::string_view path) {
  NodeAccess out{verb_of(method), {}};
  for (const auto& rule : kRules) {
    if (!is_below(path, rule.path)) continue;
    out.subresources.emplace_back(rule.subresource);
    if (rule.proxy_too) out.subresources.emplace_back("proxy");
    return out;
  }
  out.subresources.emplace_back("proxy");
  return out;
}

std::string access_review_body(const UserInfo& user, const std::string& verb, const std::string& subresource,
                               const std::string& node) {
  json spec = {
      {"user", user.name},
      {"resourceAttributes",
       {{"verb", verb}, {"version", "v1"}, {"resource", "nodes"}, {"subresource", subresource}, {"name", node}}}};
  if (!user.uid.empty()) spec["uid"] = user.uid;
  if (!user.groups.empty()) spec["groups"] = user.groups;
  if (!user.extra.empty()) spec["extra"] = user.extra;
  const json body = {
      {"apiVersion", "authorization.k8s.io/v1"}, {"kind", "SubjectAccessReview"}, {"spec", std::move(spec)}};
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<bool> parse_access_review(const std::string& answer) {
  try {
    const json review = json::parse(answer);
    const json status = review.value("status", json::object());
    const bool allowed = status.value("allowed", false), denied = status.value("denied", false);
    if (allowed && denied) return make_error(Errc::internal, "access review: allowed and denied at the same time");
    return allowed;
  } catch (const json::exception& e) {
    return make_error(Errc::internal, std::string("access review: ") + e.what());
  }
}

Authorizer::Authorizer(Executor executor, kube::Api* api, const Clock& clock, std::string node_name,
                       AuthorizationOptions options)
    : api_(api),
      node_name_(std::move(node_name)),
      options_(options),
      reviews_(std::move(executor), clock, "access review") {}

Awaitable<std::optional<AccessRefusal>> Authorizer::check(UserInfo user, NodeAccess access) {
  if (options_.mode == AuthorizationMode::always_allow) co_return std::nullopt;
  for (const auto& subresource : access.subresources) {
    auto body = access_review_body(user, access.verb, subresource, node_name_);
    auto key = sha256(body);
    auto fetch = [this, body = std::move(body)] { return review(body); };
    const auto allowed = co_await reviews_.get(std::move(key), std::move(fetch));
    if (!allowed) {
      log_warn("access not decided", {{"user", user.name}, {"error", allowed.error()}});
      co_return AccessRefusal{500, "Authorization error (" + describe(user, access) + "=" + subresource + ")"};
    }
    if (*allowed) co_return std::nullopt;
  }
  log_debug("access refused", {{"user", user.name}, {"verb", access.verb}});
  co_return AccessRefusal{403,
                          "Forbidden (" + describe(user, access) + "(s)=[" + join(access.subresources, " ") + "])"};
}

Awaitable<Result<FlightCache<bool>::Fresh>> Authorizer::review(std::string body) {
  if (!api_) co_return make_error(Errc::unavailable, "there is no API server to ask");
  kube::ApiRequest request;
  request.method = "POST";
  request.path = kAccessReviews;
  request.body = std::move(body);
  CO_TRY(const auto answer, co_await api_->send(std::move(request)));
  CO_TRY(const bool allowed, parse_access_review(answer));
  FlightCache<bool>::Fresh fresh;
  fresh.value = allowed;
  fresh.keep = allowed ? options_.allow_ttl : options_.deny_ttl;
  co_return fresh;
}

}  // namespace keelson::agent
