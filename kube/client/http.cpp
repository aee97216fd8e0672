#include "kube/client/http.hpp"

#include <curl/curl.h>

#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include "base/notifier.hpp"
#include "base/strings.hpp"
#include "kube/client/curl_multi.hpp"

namespace keelson::kube {
namespace {

constexpr long kConnectTimeoutMilliseconds = 10'000;

struct SlistDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Slist = std::unique_ptr<curl_slist, SlistDelete>;

struct EasyDelete {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, EasyDelete>;

void append(Slist& list, const std::string& text) {
  curl_slist* longer = curl_slist_append(list.get(), text.c_str());
  static_cast<void>(list.release());
  list.reset(longer);
}

}  // namespace

struct HttpClientShared {
  SteadyTime last_received = std::chrono::steady_clock::now();
  std::set<HttpExchangeState*> exchanges;
};

struct HttpExchangeState {
  HttpExchangeState(const Executor& executor, std::shared_ptr<CurlMulti> m, std::shared_ptr<HttpClientShared> s,
                    HttpRequest r)
      : multi(std::move(m)), shared(std::move(s)), request(std::move(r)), changed(executor), easy(curl_easy_init()) {
    shared->exchanges.insert(this);
  }
  ~HttpExchangeState() {
    multi->remove(easy.get());
    shared->exchanges.erase(this);
  }
  HttpExchangeState(const HttpExchangeState&) = delete;
  HttpExchangeState& operator=(const HttpExchangeState&) = delete;

  void finish(CURLcode result) {
    finished = true;
    if (result != CURLE_OK) {
      failure = make_error(Errc::unavailable, error_text[0] != '\0' ? error_text : curl_easy_strerror(result));
    }
    changed.notify();
  }
  void on_header(std::string_view line) {
    shared->last_received = std::chrono::steady_clock::now();
    if (line.starts_with("HTTP/")) {
      head = HttpHead{};
      const auto space = line.find(' ');
      if (space != std::string_view::npos) head.status = std::atoi(std::string(line.substr(space + 1)).c_str());
    } else if (trim(line).empty()) {
      head_complete = head.status >= 200;
      changed.notify();
    } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
      if (to_lower(line.substr(0, colon)) == "retry-after") head.retry_after = trim(line.substr(colon + 1));
    }
  }
  void on_body(std::string_view piece) {
    shared->last_received = std::chrono::steady_clock::now();
    inbox.append(piece);
    changed.notify();
  }

  std::shared_ptr<CurlMulti> multi;
  std::shared_ptr<HttpClientShared> shared;
  HttpRequest request;
  Slist headers;
  Slist connect_to;
  char error_text[CURL_ERROR_SIZE] = {};
  Notifier changed;
  HttpHead head;
  bool head_complete = false;
  std::string inbox;  // of the body, not read yet
  bool finished = false;
  std::optional<Error> failure;
  Easy easy;  // last, so that it goes first: it points to the rest
};

namespace {

std::size_t header_callback(char* data, std::size_t size, std::size_t count, void* state) {
  static_cast<HttpExchangeState*>(state)->on_header(std::string_view(data, size * count));
  return size * count;
}

std::size_t body_callback(char* data, std::size_t size, std::size_t count, void* state) {
  static_cast<HttpExchangeState*>(state)->on_body(std::string_view(data, size * count));
  return size * count;
}

std::string url_part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK || text == nullptr) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

// libcurl verifies the name that the URL has: for another one, the URL gets that, and the connection the real address.
void use_server_name(HttpExchangeState& state, const std::string& server_name) {
  CURLU* url = curl_url();
  if (curl_url_set(url, CURLUPART_URL, state.request.url.c_str(), 0) == CURLUE_OK) {
    const std::string host = url_part(url, CURLUPART_HOST);
    const std::string port = url_part(url, CURLUPART_PORT);
    curl_url_set(url, CURLUPART_HOST, server_name.c_str(), 0);
    state.request.url = url_part(url, CURLUPART_URL);
    append(state.connect_to, server_name + ":" + port + ":" + host + ":" + port);
    append(state.headers, "Host: " + host + ":" + port);
    curl_easy_setopt(state.easy.get(), CURLOPT_CONNECT_TO, state.connect_to.get());
  }
  curl_url_cleanup(url);
}

void set_blob(CURL* easy, CURLoption option, const std::string& pem) {
  if (pem.empty()) return;
  curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

void apply_tls(HttpExchangeState& state, const TlsSettings& tls) {
  CURL* easy = state.easy.get();
  set_blob(easy, CURLOPT_CAINFO_BLOB, tls.ca_pem);
  // libcurl would trust the system's folder of authorities besides those given.
  if (!tls.ca_pem.empty()) curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  set_blob(easy, CURLOPT_SSLCERT_BLOB, tls.certificate_pem);
  set_blob(easy, CURLOPT_SSLKEY_BLOB, tls.key_pem);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.insecure ? 0L : 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.insecure ? 0L : 2L);
  if (!tls.server_name.empty()) use_server_name(state, tls.server_name);
  if (!tls.proxy_url.empty()) curl_easy_setopt(easy, CURLOPT_PROXY, tls.proxy_url.c_str());
}

void apply_request(HttpExchangeState& state) {
  CURL* easy = state.easy.get();
  const HttpRequest& request = state.request;
  for (const std::string& header : request.headers) append(state.headers, header);
  append(state.headers, "Expect:");  // never wait for a 100
  if (request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str());
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, state.headers.get());
}

void apply_transport(HttpExchangeState& state) {
  CURL* easy = state.easy.get();
  state.multi->set_socket_options(easy);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);  // rather a stream of a connection still being made than another one
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMilliseconds);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state.error_text);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &header_callback);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &state);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &body_callback);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &state);
}

}  // namespace

HttpExchange::HttpExchange(std::unique_ptr<HttpExchangeState> state) : state_(std::move(state)) {}
HttpExchange::~HttpExchange() = default;

Awaitable<Result<HttpHead>> HttpExchange::head(SteadyTime deadline) {
  while (!state_->head_complete && !state_->finished) {
    const bool woken = co_await state_->changed.wait_until(deadline);
    if (!woken) co_return make_error(Errc::deadline_exceeded, "no answer in time");
  }
  if (state_->head_complete) co_return state_->head;
  if (state_->failure) co_return *state_->failure;
  co_return make_error(Errc::unavailable, "the server closed the connection without an answer");
}

Awaitable<Result<std::string>> HttpExchange::read(SteadyTime deadline) {
  while (state_->inbox.empty() && !state_->finished) {
    const bool woken = co_await state_->changed.wait_until(deadline);
    if (!woken) co_return make_error(Errc::deadline_exceeded, "nothing more came in time");
  }
  if (state_->inbox.empty() && state_->failure) co_return *state_->failure;
  co_return std::exchange(state_->inbox, std::string());
}

HttpClient::HttpClient(const Executor& executor, TlsSettings tls)
    : executor_(executor),
      tls_(std::move(tls)),
      multi_(std::make_shared<CurlMulti>(executor)),
      shared_(std::make_shared<HttpClientShared>()) {}

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpExchange> HttpClient::start(HttpRequest request) {
  auto state = std::make_unique<HttpExchangeState>(executor_, multi_, shared_, std::move(request));
  apply_transport(*state);
  apply_tls(*state, tls_);
  apply_request(*state);
  multi_->add(state->easy.get(), [raw = state.get()](CURLcode result) { raw->finish(result); });
  return std::unique_ptr<HttpExchange>(new HttpExchange(std::move(state)));
}

SteadyTime HttpClient::last_received() const { return shared_->last_received; }

void HttpClient::abort(const std::string& why) {
  for (HttpExchangeState* state : shared_->exchanges) {
    if (state->finished) continue;
    state->multi->remove(state->easy.get());
    state->finished = true;
    state->failure = make_error(Errc::unavailable, why);
    state->changed.notify();
  }
}

}  // namespace keelson::kube
