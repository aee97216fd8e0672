#include "probes/http_probe.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <cctype>
#include <optional>

#include "base/strings.hpp"
#include "kube/probe.hpp"
#include "probes/dial.hpp"

namespace keelson::probes {
namespace {

namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int kMaxRedirects = 10;
constexpr int kMaxInterimResponses = 5;
constexpr std::size_t kMaxHeader = 1024 * 1024;

// A body that keeps its first kMaxOutput bytes and reserves nothing on the word of a Content-Length.
struct LimitedBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool kIsRequest, class Fields>
    reader(http::header<kIsRequest, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, error_code& error) { error = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, error_code& error) {
      error = {};
      std::size_t taken = 0;
      for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
        const asio::const_buffer chunk = *it;
        body_.append(static_cast<const char*>(chunk.data()), std::min(chunk.size(), kMaxOutput - body_.size()));
        taken += chunk.size();
      }
      return taken;
    }
    void finish(error_code& error) { error = {}; }

   private:
    value_type& body_;
  };
};
using Parser = http::parser<false, LimitedBody>;

// Where an exchange stopped, for the message.
enum class Stage { write, header, body, done };
struct Exchange {
  Stage stage = Stage::write;
  error_code error;
  HttpResponse response;
};

bool is_end(const error_code& error) {
  return error == asio::error::eof || error == asio::ssl::error::stream_truncated ||
         error == http::error::end_of_stream || error == http::error::partial_message;
}

template <class Stream>
Awaitable<Exchange> exchange(Stream& stream, const std::string& request) {
  Exchange out;
  co_await asio::async_write(stream, asio::buffer(request), asio::redirect_error(asio::use_awaitable, out.error));
  if (out.error) co_return out;

  out.stage = Stage::header;
  boost::beast::flat_buffer buffer;
  std::optional<Parser> parser;
  for (int interim = 0;; ++interim) {
    parser.emplace();
    parser->header_limit(kMaxHeader);
    parser->body_limit(boost::none);
    co_await http::async_read_header(stream, buffer, *parser, asio::redirect_error(asio::use_awaitable, out.error));
    if (out.error) co_return out;
    out.response.status = static_cast<int>(parser->get().result_int());
    if (out.response.status / 100 != 1 || out.response.status == 101 || interim == kMaxInterimResponses) break;
  }
  if (const auto it = parser->get().find(http::field::location); it != parser->get().end()) {
    out.response.location = std::string(it->value());
  }

  out.stage = Stage::body;
  while (!parser->is_done() && parser->get().body().size() < kMaxOutput) {
    co_await http::async_read_some(stream, buffer, *parser, asio::redirect_error(asio::use_awaitable, out.error));
    // A TLS peer that closes without close_notify has still ended a body that lasts until the end.
    if (out.error == asio::ssl::error::stream_truncated && parser->need_eof()) break;
    if (out.error) co_return out;
  }
  out.response.body = std::move(parser->get().body());
  out.stage = Stage::done;
  co_return out;
}

asio::ssl::context& tls_context() {
  static asio::ssl::context context = [] {
    asio::ssl::context made(asio::ssl::context::tls_client);
    made.set_verify_mode(asio::ssl::verify_none);
    SSL_CTX_set_session_cache_mode(made.native_handle(), SSL_SESS_CACHE_OFF);
    return made;
  }();
  return context;
}

std::string describe_header_error(const error_code& error) {
  if (is_end(error)) return "EOF";
  if (error.category() == error_code(http::error::bad_version).category()) {
    return fmt::format("net/http: HTTP/1.x transport connection broken: malformed HTTP response ({})", error.message());
  }
  return "read: " + error_words(error);
}

Awaitable<Result<HttpResponse>> perform(const HttpTarget& target, tcp::socket& socket, const Deadline& deadline) {
  CO_CHECK_OK(co_await dial(socket, deadline, target.address, target.url.host, target.url.port));
  Exchange result;
  if (target.url.tls) {
    asio::ssl::stream<tcp::socket&> tls(socket, tls_context());
    if (!target.address) SSL_set_tlsext_host_name(tls.native_handle(), target.url.host.c_str());
    error_code error;
    co_await tls.async_handshake(asio::ssl::stream_base::client, asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      const bool plain = ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_WRONG_VERSION_NUMBER;
      co_return make_error(Errc::unavailable, plain ? "http: server gave HTTP response to HTTPS client"
                                                    : "tls: " + (is_end(error) ? "EOF" : error_words(error)));
    }
    result = co_await exchange(tls, target.request);
  } else {
    result = co_await exchange(socket, target.request);
  }
  if (result.stage == Stage::done) co_return std::move(result.response);
  if (result.stage == Stage::write) co_return make_error(Errc::unavailable, "write: " + error_words(result.error));
  if (result.stage == Stage::header) co_return make_error(Errc::unavailable, describe_header_error(result.error));
  co_return make_error(Errc::io, is_end(result.error) ? "unexpected EOF" : error_words(result.error));
}

void write_request(HttpTarget& target) {
  const auto& host = target.host_header.empty() ? target.url.authority : target.host_header;
  target.request = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n{}Connection: close\r\n\r\n", target.url.target, host,
                               target.headers);
}

// A Host header of the user's goes on only to the server it was written for.
std::shared_ptr<const HttpTarget> redirected(const HttpTarget& from, Url to) {
  auto target = std::make_shared<HttpTarget>(from);
  if (to.authority != from.url.authority) target->host_header.clear();
  target->url = std::move(to);
  target->address = address_literal(target->url.host);
  write_request(*target);
  return target;
}

bool is_redirect(int status) { return (status >= 301 && status <= 303) || status == 307 || status == 308; }

bool is_token(std::string_view text) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  for (const char c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && kSymbols.find(c) == std::string_view::npos) return false;
  }
  return !text.empty();
}

bool is_header_value(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) return false;
  }
  return true;
}

}  // namespace

Result<HttpTarget> make_http_target(const kube::HttpGetAction& action, std::string_view pod_ip, std::uint16_t port,
                                    std::string_view user_agent) {
  HttpTarget target;
  target.url.tls = to_lower(action.scheme) == "https";
  target.url.host = action.host.empty() ? pod_ip : std::string_view(action.host);
  target.url.port = port;
  target.url.authority = join_host_port(target.url.host, port);
  target.url.target = request_target(action.path);
  target.address = address_literal(target.url.host);

  bool agent_given = false;
  bool accept_given = false;
  for (const auto& header : action.http_headers) {
    const std::string name = to_lower(header.name);
    if (!is_token(name)) {
      return make_error(Errc::invalid_argument, fmt::format("net/http: invalid header field name \"{}\"", header.name));
    }
    if (!is_header_value(header.value)) {
      return make_error(Errc::invalid_argument,
                        fmt::format("net/http: invalid header field value for \"{}\"", header.name));
    }
    agent_given = agent_given || name == "user-agent";
    accept_given = accept_given || name == "accept";
    if (name == "host") {
      if (target.host_header.empty()) target.host_header = header.value;
      continue;
    }
    // What frames the message is ours; an explicitly empty User-Agent or Accept is left out.
    if (name == "connection" || name == "content-length" || name == "transfer-encoding") continue;
    if (header.value.empty() && (name == "user-agent" || name == "accept")) continue;
    target.headers += fmt::format("{}: {}\r\n", header.name, header.value);
  }
  if (!agent_given) target.headers += fmt::format("User-Agent: {}\r\n", user_agent);
  if (!accept_given) target.headers += "Accept: */*\r\n";
  write_request(target);
  return target;
}

Awaitable<Result<HttpResponse>> http_get(std::shared_ptr<const HttpTarget> target, Nanoseconds timeout) {
  tcp::socket socket(co_await asio::this_coro::executor);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::duration_cast<SteadyTime::duration>(timeout);
  const Deadline deadline(socket, limit);
  Result<HttpResponse> result = co_await perform(*target, socket, deadline);
  if (!result) {
    Error error = result.error();
    if (deadline.expired()) {
      const bool in_body = error.code == Errc::io;
      error =
          make_error(in_body ? Errc::io : Errc::deadline_exceeded,
                     in_body ? "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
                             : "context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
    }
    co_return error.code == Errc::io ? error : error.context(fmt::format("Get \"{}\"", to_string(target->url)));
  }
  co_return result;
}

Awaitable<Outcome> http_probe(std::shared_ptr<const HttpTarget> target, Nanoseconds timeout) {
  const auto limit = std::chrono::steady_clock::now() + timeout;
  const std::string first_host = target->url.host;
  Outcome outcome;
  outcome.kind = OutcomeKind::failure;
  for (int followed = 0;; ++followed) {
    const Nanoseconds left = limit - std::chrono::steady_clock::now();
    const Result<HttpResponse> response = co_await http_get(target, std::max(left, Nanoseconds(0)));
    if (!response) {
      if (response.error().code == Errc::io) outcome.kind = OutcomeKind::error;
      outcome.text = response.error().message;
      co_return outcome;
    }
    if (is_redirect(response->status) && !response->location.empty()) {
      Result<Url> next = resolve_reference(target->url, response->location);
      if (!next) {
        outcome.text = fmt::format("Get \"{}\": failed to parse Location header \"{}\": {}", to_string(target->url),
                                   response->location, next.error().message);
        co_return outcome;
      }
      if (next->host == first_host) {
        if (followed + 1 >= kMaxRedirects) {
          outcome.text = fmt::format("Get \"{}\": stopped after {} redirects", response->location, kMaxRedirects);
          co_return outcome;
        }
        target = redirected(*target, std::move(*next));
        continue;
      }
    }
    if (response->status >= 200 && response->status < 400) {
      outcome.kind = response->status >= 300 ? OutcomeKind::warning : OutcomeKind::success;
      outcome.text = response->body;
      if (response->status >= 300) outcome.text = "Probe terminated redirects, Response body: " + response->body;
    } else {
      outcome.text = fmt::format("HTTP probe failed with statuscode: {}", response->status);
    }
    co_return outcome;
  }
}

}  // namespace keelson::probes
