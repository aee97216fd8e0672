#include "kube/client/client.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <utility>

#include "kube/client/credential_source.hpp"
#include "kube/client/http.hpp"
#include "kube/client/line_splitter.hpp"
#include "kube/client/status.hpp"

namespace keelson::kube {
namespace {

constexpr std::size_t kMaxBody = 256U << 20U;  // the largest list without paging that anybody runs
constexpr auto kHeadTimeout = Seconds(30);     // of a stream
constexpr auto kSilence = Seconds(30);         // after which an unanswered request means that the connection is dead
constexpr int kMaxRetries = 10;                // as client-go

SteadyTime now() { return std::chrono::steady_clock::now(); }

std::string user_agent() {
  struct utsname host {};
  ::uname(&host);
  const std::string machine = host.machine;
  const std::string arch = machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
  return std::string("User-Agent: keelson/") + KEELSON_VERSION + " (linux/" + arch + ")";
}

// "GET /api/v1/pods", for messages: selectors and the like make them unreadable.
std::string describe(const ApiRequest& request) {
  return request.method + " " + request.path.substr(0, request.path.find('?'));
}

// Whether an answer asks to come again after `seconds`: too many requests, or a server that starts or stops.
std::optional<Seconds> asks_to_wait(const HttpHead& head) {
  if (head.status != 429 && head.status < 500) return std::nullopt;
  return parse_retry_after(head.retry_after);
}

}  // namespace

struct ApiClient::Impl {
  Impl(const Executor& e, ClientConfig config) : executor(e), server(config.server), source(e, std::move(config)) {
    const auto scheme = server.find("://");
    const auto host = scheme == std::string::npos ? server : server.substr(scheme + 3);
    stats.host = host.substr(0, host.find('/'));
  }

  // An answer's header, and its body still to come.
  struct Answer {
    std::unique_ptr<HttpExchange> exchange;
    HttpHead head;
  };

  HttpRequest http_request(const ApiRequest& request, const Credentials& credentials) const;
  std::shared_ptr<HttpClient> client_for(const CredentialsPtr& credentials);
  void note_timeout(const std::shared_ptr<HttpClient>& client, SteadyTime started);
  // The answer to take, after what waiting and trying again was asked for.
  Awaitable<Result<Answer>> ask(ApiRequest request, SteadyTime deadline);
  Awaitable<Result<Answer>> ask_once(ApiRequest request, CredentialsPtr credentials, SteadyTime deadline);
  static Awaitable<Result<std::string>> body(HttpExchange& exchange, SteadyTime deadline, std::size_t limit);

  Executor executor;
  std::string server;
  std::string agent = user_agent();
  CredentialSource source;
  CredentialsPtr in_use;  // what `http` was made of
  std::shared_ptr<HttpClient> http;
  RequestStats stats;
};

HttpRequest ApiClient::Impl::http_request(const ApiRequest& request, const Credentials& credentials) const {
  HttpRequest out;
  out.method = request.method;
  out.url = server + request.path;
  out.headers = {agent, "Accept: application/json"};
  if (request.method != "GET") out.headers.push_back("Content-Type: " + request.content_type);
  if (!credentials.token.empty()) out.headers.push_back("Authorization: Bearer " + credentials.token);
  out.body = request.body;
  return out;
}

std::shared_ptr<HttpClient> ApiClient::Impl::client_for(const CredentialsPtr& credentials) {
  if (!http || (in_use != credentials && in_use->tls != credentials->tls)) {
    http = std::make_shared<HttpClient>(executor, credentials->tls);
  }
  in_use = credentials;
  return http;
}

void ApiClient::Impl::note_timeout(const std::shared_ptr<HttpClient>& client, SteadyTime started) {
  const SteadyTime heard = client->last_received();
  if (heard > started || now() - heard < kSilence) return;
  if (http == client) http.reset();
  client->abort("the connection is dead: nothing came for " +
                std::to_string(std::chrono::duration_cast<Seconds>(now() - heard).count()) + " s");
}

Awaitable<Result<ApiClient::Impl::Answer>> ApiClient::Impl::ask_once(ApiRequest request, CredentialsPtr credentials,
                                                                     SteadyTime deadline) {
  const SteadyTime started = now();
  const std::shared_ptr<HttpClient> client = client_for(credentials);
  Answer answer;
  answer.exchange = client->start(http_request(request, *credentials));
  Result<HttpHead> head = co_await answer.exchange->head(deadline);
  ++stats.answers[{head ? head->status : 0, request.method}];
  if (!head) {
    if (head.error().code == Errc::deadline_exceeded) note_timeout(client, started);
    co_return head.error().context(describe(request) + " (" + server + ")");
  }
  answer.head = *head;
  co_return answer;
}

Awaitable<Result<ApiClient::Impl::Answer>> ApiClient::Impl::ask(ApiRequest request, SteadyTime deadline) {
  bool refused = false;
  for (int tries = 0;; ++tries) {
    Result<CredentialsPtr> credentials = co_await source.current();
    if (!credentials) co_return credentials.error();
    Result<Answer> answer = co_await ask_once(request, *credentials, deadline);
    if (!answer) co_return answer.error();
    if (answer->head.status == 401 && !std::exchange(refused, true) && source.refused(*credentials)) continue;
    const auto wait = asks_to_wait(answer->head);
    if (!wait || tries >= kMaxRetries || now() + *wait >= deadline) co_return std::move(*answer);
    answer->exchange.reset();
    co_await sleep_for(*wait);
  }
}

Awaitable<Result<std::string>> ApiClient::Impl::body(HttpExchange& exchange, SteadyTime deadline, std::size_t limit) {
  std::string whole;
  for (;;) {
    Result<std::string> piece = co_await exchange.read(deadline);
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return whole;
    if (whole.empty())
      whole = std::move(*piece);
    else
      whole += *piece;
    if (whole.size() > limit) co_return make_error(Errc::resource_exhausted, "the answer is too large");
  }
}

ApiClient::ApiClient(const Executor& executor, ClientConfig config)
    : impl_(std::make_shared<Impl>(executor, std::move(config))) {}

ApiClient::~ApiClient() = default;

Awaitable<Result<std::string>> ApiClient::send(ApiRequest request) {
  const std::shared_ptr<Impl> impl = impl_;
  const std::string what = describe(request);
  const SteadyTime started = now();
  const SteadyTime deadline = started + request.timeout;
  auto& seconds = impl->stats.seconds.try_emplace(request.method, kRequestBounds).first->second;
  Result<Impl::Answer> answer = co_await impl->ask(std::move(request), deadline);
  seconds.observe(std::chrono::duration<double>(now() - started).count());
  if (!answer) co_return answer.error();
  Result<std::string> body = co_await Impl::body(*answer->exchange, deadline, kMaxBody);
  if (!body) co_return body.error().context(what);
  if (answer->head.status / 100 != 2) co_return error_of_answer(answer->head.status, *body);
  co_return std::move(*body);
}

Awaitable<Result<void>> ApiClient::stream(ApiRequest request, LineHandler on_line) {
  const std::shared_ptr<Impl> impl = impl_;
  const std::string what = describe(request);
  const Nanoseconds timeout = request.timeout;
  const SteadyTime deadline = now() + std::min<Nanoseconds>(timeout, kHeadTimeout);
  Result<Impl::Answer> answer = co_await impl->ask(std::move(request), deadline);
  if (!answer) co_return answer.error();
  if (answer->head.status / 100 != 2) {
    Result<std::string> body = co_await Impl::body(*answer->exchange, deadline, kMaxBody);
    if (!body) co_return body.error().context(what);
    co_return error_of_answer(answer->head.status, *body);
  }
  LineSplitter lines;
  for (;;) {
    Result<std::string> piece = co_await answer->exchange->read(now() + timeout);
    if (!piece) co_return piece.error().context(what);
    if (piece->empty()) break;
    const Result<void> fed = lines.feed(std::move(*piece), on_line);
    if (!fed) co_return fed.error().context(what);
  }
  lines.finish(on_line);
  co_return Result<void>();
}

const RequestStats& ApiClient::request_stats() const { return impl_->stats; }

void ApiClient::close_connections() {
  if (!impl_->http) return;
  const std::shared_ptr<HttpClient> client = std::exchange(impl_->http, nullptr);
  client->abort("the connection was closed for new credentials");
}

}  // namespace keelson::kube
