#include "agent/server/http.hpp"

#include <boost/beast/http/status.hpp>
#include <charconv>

#include "base/strings.hpp"

namespace keelson::agent {
namespace {

std::string head(int status, std::string_view content_type, const NamedValues& headers) {
  const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
  std::string out = "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason) + "\r\n";
  if (!content_type.empty()) out.append("Content-Type: ").append(content_type).append("\r\n");
  for (const auto& [name, value] : headers) out.append(name).append(": ").append(value).append("\r\n");
  return out;
}

int hex_digit(char c) {
  int value = -1;
  std::from_chars(&c, &c + 1, value, 16);
  return value;
}

}  // namespace

std::optional<std::string> HttpRequest::param(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string> HttpRequest::params_named(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : params) {
    if (key == name) out.push_back(value);
  }
  return out;
}

bool HttpRequest::flag(std::string_view name) const {
  const auto value = to_lower(param(name).value_or(""));
  return value == "1" || value == "t" || value == "true";
}

std::string_view HttpRequest::header(std::string_view name) const {
  const auto wanted = to_lower(name);
  for (const auto& [key, value] : headers) {
    if (to_lower(key) == wanted) return value;
  }
  return {};
}

bool HttpRequest::wants_upgrade() const {
  return !header("upgrade").empty() && to_lower(header("connection")).find("upgrade") != std::string::npos;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
      if (low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%' + to_upper(to_hex(std::string_view(&c, 1)));
    }
  }
  return out;
}

NamedValues parse_query(std::string_view query) {
  NamedValues out;
  if (query.empty()) return out;
  for (const auto& pair : split(query, '&')) {
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto key = pair.substr(0, equals);
    auto value = equals == std::string::npos ? std::string() : pair.substr(equals + 1);
    out.emplace_back(percent_decode(key, true).value_or(key), percent_decode(value, true).value_or(value));
  }
  return out;
}

Awaitable<Result<void>> ResponseWriter::put(std::string_view bytes) {
  if (broken_) co_return make_error(Errc::unavailable, "the client did not take what came before");
  auto written = co_await connection_.write(bytes, limit_);
  broken_ = !written;
  co_return written;
}

Awaitable<Result<void>> ResponseWriter::send(int status, std::string_view content_type, std::string body,
                                             NamedValues headers) {
  answered_ = true;
  std::string text = head(status, content_type, headers);
  text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  if (!keep_alive_) text.append("Connection: close\r\n");
  text.append("\r\n");
  if (!head_only_) text.append(body);
  auto written = co_await put(text);
  complete_ = written.has_value();
  co_return written;
}

Awaitable<Result<void>> ResponseWriter::start(int status, std::string_view content_type) {
  answered_ = true;
  std::string text = head(status, content_type, {});
  text.append("Transfer-Encoding: chunked\r\n");
  if (!keep_alive_) text.append("Connection: close\r\n");
  text.append("\r\n");
  co_return co_await put(text);
}

Awaitable<Result<void>> ResponseWriter::write(std::string data) {
  if (data.empty()) co_return Result<void>();
  char size[2 * sizeof(std::size_t)];
  const auto end = std::to_chars(std::begin(size), std::end(size), data.size(), 16).ptr;
  std::string chunk(std::begin(size), end);
  chunk.reserve(chunk.size() + data.size() + 4);
  chunk.append("\r\n").append(data).append("\r\n");
  co_return co_await put(chunk);
}

Awaitable<Result<void>> ResponseWriter::finish() {
  auto written = co_await put("0\r\n\r\n");
  complete_ = written.has_value();
  co_return written;
}

}  // namespace keelson::agent
