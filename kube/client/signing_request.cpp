#include "kube/client/signing_request.hpp"

#include <openssl/evp.h>

#include <boost/asio/this_coro.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "base/task_group.hpp"
#include "kube/client/list_watch_core.hpp"
#include "kube/client/resource.hpp"

namespace keelson::kube {
namespace {

using Json = nlohmann::json;

constexpr const char* kListPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

std::string base64url(const std::string& bytes) {
  std::string text = base64_encode(bytes);
  while (text.ends_with('=')) text.pop_back();
  return replace_all(replace_all(text, "+", "-"), "/", "_");
}

std::string sha512_256(const std::string& data) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(data.data(), data.size(), digest, &size, EVP_sha512_256(), nullptr);
  return std::string(reinterpret_cast<char*>(digest), size);
}

std::string text_at(const Json& object, const char* pointer) {
  const Json::json_pointer at(pointer);
  return object.is_object() && object.contains(at) && object[at].is_string() ? object[at].get<std::string>() : "";
}

Result<std::string> request_body(const SigningRequest& request) {
  TRY(const std::string pem, make_certificate_request(request.key_pem, request.subject, request.names));
  Json json{{"apiVersion", "certificates.k8s.io/v1"}, {"kind", "CertificateSigningRequest"}};
  if (request.name.empty())
    json["metadata"] = {{"generateName", "csr-"}};
  else
    json["metadata"] = {{"name", request.name}};
  json["spec"] = {{"signerName", request.signer_name}, {"usages", request.usages}, {"request", base64_encode(pem)}};
  return to_text(json);
}

// What the object says of the request's fate; nothing while it is open.
std::optional<Result<std::string>> outcome(const Json& object) {
  const Json::json_pointer at("/status/conditions");
  if (object.contains(at) && object[at].is_array()) {
    for (const Json& condition : object[at]) {
      const std::string type = text_at(condition, "/type");
      if (type != "Denied" && type != "Failed") continue;
      const Errc code = type == "Denied" ? Errc::permission_denied : Errc::failed_precondition;
      const std::string verb = type == "Denied" ? " was denied: " : " failed: ";
      return make_error(code, text_at(object, "/metadata/name") + verb + text_at(condition, "/message"), type);
    }
  }
  const std::string encoded = text_at(object, "/status/certificate");
  if (encoded.empty()) return std::nullopt;
  std::string pem;
  if (!base64_decode(encoded, pem)) return make_error(Errc::internal, "status.certificate: not base64");
  return pem;
}

// Watches one request until its fate is known. Shared with the task that runs it, which ends a little after a caller
// that was cancelled.
struct RequestWatch final : WatchSink {
  RequestWatch(const Executor& executor, std::shared_ptr<Api> a, const std::string& name)
      : api(std::move(a)),
        changed(executor),
        core(executor, *api, WatchTarget{kListPath, "", "metadata.name=" + name}, *this, {}) {}

  Result<void> set(const Json& object) override {
    settle(outcome(object));
    return {};
  }
  void remove(const ObjectKey& key) override {
    settle(make_error(Errc::failed_precondition, key.name + " was deleted before it was signed", "Deleted"));
  }
  void list_complete() override {}
  void failed(const Error& error) override { log_debug("waiting for a certificate", {{"error", error}}); }

  void settle(std::optional<Result<std::string>> result) {
    if (!result || fate) return;
    fate = std::move(result);
    changed.notify();
  }

  std::shared_ptr<Api> api;
  Notifier changed;
  std::optional<Result<std::string>> fate;
  ListWatchCore core;
};

Awaitable<void> run_watch(std::shared_ptr<RequestWatch> watch) { co_await watch->core.run(); }

// That the request found under our name asks for the same with the same key.
Result<void> check_same(const Json& found, const SigningRequest& request) {
  const std::string signer = text_at(found, "/spec/signerName");
  std::string pem;
  if (signer != request.signer_name || !base64_decode(text_at(found, "/spec/request"), pem)) {
    return make_error(Errc::failed_precondition, request.name + ": another request has this name");
  }
  TRY(const std::string theirs, request_key_der(pem));
  TRY(const std::string ours, public_key_der(request.key_pem));
  if (theirs == ours) return {};
  return make_error(Errc::failed_precondition, request.name + ": another key's request has this name");
}

}  // namespace

Result<std::string> signing_request_name(const std::string& key_pem, const Subject& subject,
                                         const std::vector<std::string>& usages) {
  TRY(const std::string public_key, public_key_der(key_pem));
  // '|' is not in the alphabet, so no two lists of parts give the same text.
  std::string text = base64url(public_key) + "|" + base64url(subject.common_name) + "|";
  for (const std::string& organization : subject.organizations) text += base64url(organization) + "|";
  for (const std::string& usage : usages) text += base64url(usage) + "|";
  return "node-csr-" + base64url(sha512_256(text));
}

Awaitable<Result<std::string>> request_certificate(std::shared_ptr<Api> api, SigningRequest request,
                                                   Nanoseconds timeout) {
  const Executor executor = co_await asio::this_coro::executor;
  const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
  ApiRequest create;
  create.method = "POST";
  create.path = kListPath;
  CO_TRY(create.body, request_body(request));
  Result<std::string> answer = co_await api->send(std::move(create));
  if (!answer && answer.error().code == Errc::already_exists && !request.name.empty()) {
    ApiRequest get;
    get.path = std::string(kListPath) + "/" + url_encode(request.name);
    answer = co_await api->send(std::move(get));
    if (!answer) co_return answer.error();
    const Json found = Json::parse(*answer, nullptr, false);
    CO_CHECK_OK(check_same(found, request));
  }
  if (!answer) co_return answer.error();
  const std::string name = text_at(Json::parse(*answer, nullptr, false), "/metadata/name");
  if (name.empty()) co_return make_error(Errc::internal, "the server's answer names no request");
  log_info("waiting for a certificate", {{"request", name}, {"signer", request.signer_name}});

  const auto watch = std::make_shared<RequestWatch>(executor, api, name);
  TaskGroup tasks(executor);
  tasks.spawn("watch " + name, run_watch(watch));
  co_await watch->changed.wait_until(deadline);
  tasks.cancel();
  co_await tasks.join();
  if (watch->fate) co_return *watch->fate;
  co_return make_error(Errc::deadline_exceeded, name + ": nobody approved it in time");
}

}  // namespace keelson::kube
