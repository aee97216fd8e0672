#include "agent/server/session.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/log.hpp"

namespace keelson::agent {
namespace {

namespace http = boost::beast::http;
using Parser = http::request_parser<http::string_body>;

struct Refusal {
  int status = 0;
  std::string message;
};

// What one read of a request came to: exactly one is set, or none at the client's end of stream.
struct Reading {
  std::optional<HttpRequest> request;
  std::optional<Refusal> refusal;
};

Refusal refusal_for(const boost::system::error_code& ec) {
  if (ec == http::error::header_limit) return {431, "the request's header is too large"};
  if (ec == http::error::body_limit) return {413, "the request's body is too large"};
  return {400, "bad request: " + ec.message()};
}

HttpRequest to_request(Parser& parser, std::string unread) {
  auto& message = parser.get();
  HttpRequest out;
  out.method = std::string(message.method_string());
  const std::string target(message.target());
  const auto question = target.find('?');
  out.path = target.substr(0, question);
  if (question != std::string::npos) out.query = target.substr(question + 1);
  out.params = parse_query(out.query);
  for (const auto& field : message)
    out.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  out.body = std::move(message.body());
  out.keep_alive = message.keep_alive();
  out.unread = std::move(unread);
  return out;
}

// Reads one request. `pending` holds bytes that came before, and takes those that belong to the next request.
Awaitable<Reading> read_request(Connection& connection, std::string& pending, const SessionLimits& limits) {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(limits.max_header_bytes));
  parser.body_limit(limits.max_body_bytes);
  parser.eager(true);
  std::optional<SteadyTime> deadline;
  std::vector<char> buffer(4096);
  Reading out;
  for (;;) {
    if (!pending.empty()) {
      boost::system::error_code ec;
      const std::size_t used = parser.put(asio::buffer(pending), ec);
      pending.erase(0, used);
      if (ec == http::error::need_more) ec = {};
      if (ec) {
        out.refusal = refusal_for(ec);
        co_return out;
      }
      if (parser.is_done()) {
        out.request = to_request(parser, std::move(pending));
        pending.clear();
        co_return out;
      }
      // The parser takes a header only as a whole, so its own limit comes too late for what waits here.
      if (pending.size() > limits.max_header_bytes) {
        out.refusal = Refusal{431, "the request's header is too large"};
        co_return out;
      }
      if (!deadline) deadline = std::chrono::steady_clock::now() + limits.request;
    }
    const Nanoseconds left = deadline ? *deadline - std::chrono::steady_clock::now() : limits.idle;
    Result<std::size_t> got = make_error(Errc::deadline_exceeded, "request");
    if (left > Nanoseconds(0)) got = co_await connection.read_some(asio::buffer(buffer), left);
    if (!got) {
      if (got.error().code == Errc::deadline_exceeded && deadline)
        out.refusal = Refusal{408, "the request took too long"};
      co_return out;
    }
    if (*got == 0) co_return out;
    pending.append(buffer.data(), *got);
  }
}

// A handler that fails must not take more than its request along.
Awaitable<void> guard(const RequestHandler& handler, HttpRequest& request, ResponseWriter& response) {
  std::string failure;
  try {
    co_await handler(request, response);
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) throw;
    failure = e.what();
  } catch (const std::exception& e) {
    failure = e.what();
  }
  if (failure.empty()) co_return;
  log_error("request failed", {{"path", request.path}, {"error", failure}});
  if (response.answered()) co_return;
  std::string text = "internal error\n";
  co_await response.send(500, kText, std::move(text));
}

}  // namespace

Awaitable<void> answer_by(const Router& router, HttpRequest& request, ResponseWriter& response) {
  auto match = router.find(request.method, request.path);
  if (!match.handler) {
    const bool known = !match.allowed.empty();
    NamedValues headers;
    if (known) headers.emplace_back("Allow", match.allowed);
    std::string text = known ? "405: method not allowed\n" : "404 page not found\n";
    co_await response.send(known ? 405 : 404, kText, std::move(text), std::move(headers));
    co_return;
  }
  Exchange exchange{request, response, std::move(match.path)};
  co_await (*match.handler)(exchange);
}

Awaitable<void> serve_connection(std::shared_ptr<Connection> connection, const RequestHandler& handler,
                                 SessionLimits limits) {
  std::string pending;
  for (;;) {
    auto reading = co_await read_request(*connection, pending, limits);
    if (reading.refusal) {
      log_debug("request refused", {{"status", reading.refusal->status}, {"reason", reading.refusal->message}});
      ResponseWriter response(*connection, limits.write, false, false);
      std::string text = reading.refusal->message + "\n";
      co_await response.send(reading.refusal->status, kText, std::move(text));
    }
    if (!reading.request) break;
    auto& request = *reading.request;
    ResponseWriter response(*connection, limits.write, request.keep_alive, request.method == "HEAD");
    co_await guard(handler, request, response);
    if (!response.reusable()) break;
    pending = std::move(request.unread);
  }
  connection->close();
}

}  // namespace keelson::agent
