#include "agent/server/upgrade_proxy.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "agent/server/socket_connection.hpp"
#include "base/strings.hpp"

namespace keelson::agent {
namespace {

using Tcp = asio::ip::tcp;
constexpr std::size_t kBuffer = 32 * 1024;

// When bytes last moved, in either direction.
struct Activity {
  SteadyTime last = std::chrono::steady_clock::now();
  Nanoseconds idle{};

  void note() { last = std::chrono::steady_clock::now(); }
  [[nodiscard]] Nanoseconds left() const { return last + idle - std::chrono::steady_clock::now(); }
};

// Copies until the end of `from`, then tells `to` so. A failure, or silence of both directions, ends both.
Awaitable<void> copy(Connection& from, Connection& to, Activity& activity) {
  std::vector<char> buffer(kBuffer);
  for (;;) {
    const Nanoseconds left = activity.left();
    if (left <= Nanoseconds(0)) break;
    const auto got = co_await from.read_some(asio::buffer(buffer), left);
    if (!got && got.error().code == Errc::deadline_exceeded) continue;  // perhaps the other direction moved
    if (!got) break;
    if (*got == 0) {
      to.shutdown_write();
      co_return;
    }
    activity.note();
    const auto written = co_await to.write(std::string_view(buffer.data(), *got), activity.idle);
    if (!written) break;
    activity.note();
  }
  from.close();
  to.close();
}

Awaitable<Result<Tcp::socket>> connect(StreamUrl url) {
  const auto executor = co_await asio::this_coro::executor;
  Tcp::socket socket(executor);
  boost::system::error_code bad;
  const auto address = asio::ip::make_address(url.host == "localhost" ? "127.0.0.1" : url.host, bad);
  const int port = std::atoi(url.port.c_str());
  if (bad) co_return make_error(Errc::invalid_argument, "streaming server " + url.host + ": not an address");
  const Tcp::endpoint endpoint(address, static_cast<std::uint16_t>(port));
  const auto [ec] = co_await socket.async_connect(endpoint, asio::as_tuple(asio::use_awaitable));
  if (ec) co_return system_error(ec, "connect to the runtime's streaming server " + url.host + ":" + url.port);
  boost::system::error_code ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  co_return socket;
}

}  // namespace

Result<StreamUrl> parse_stream_url(std::string_view url) {
  const auto bad = [&](const char* why) {
    return make_error(Errc::invalid_argument, "streaming URL \"" + std::string(url) + "\": " + why);
  };
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return bad("only http is spoken with the runtime's streaming server");
  auto rest = url.substr(kScheme.size());
  const auto slash = rest.find('/');
  StreamUrl out;
  out.target = slash == std::string_view::npos ? "/" : std::string(rest.substr(slash));
  auto authority = rest.substr(0, slash);
  const auto colon = authority.rfind(':');
  const auto bracket = authority.rfind(']');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  out.port = has_port ? std::string(authority.substr(colon + 1)) : "80";
  if (has_port) authority = authority.substr(0, colon);
  if (authority.starts_with('[') && authority.ends_with(']')) authority = authority.substr(1, authority.size() - 2);
  out.host = authority;
  if (out.host.empty()) return bad("no host");
  if (out.port.empty() || out.port.size() > 5 || out.port.find_first_not_of("0123456789") != std::string::npos) {
    return bad("bad port");
  }
  return out;
}

std::string forwarded_request(const HttpRequest& request, const StreamUrl& url) {
  const std::string host = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  std::string out = request.method + " " + url.target + " HTTP/1.1\r\nHost: " + host + ":" + url.port + "\r\n";
  for (const auto& [name, value] : request.headers) {
    const auto key = to_lower(name);
    // Ours alone: who the caller is was decided here.
    if (key == "host" || key == "authorization" || key == "content-length") continue;
    out.append(name).append(": ").append(value).append("\r\n");
  }
  if (!request.body.empty()) out.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
  return out + "\r\n" + request.body;
}

Awaitable<Result<void>> proxy_upgrade(HttpRequest& request, ResponseWriter& response, StreamUrl url, Nanoseconds idle) {
  using boost::asio::experimental::awaitable_operators::operator&&;
  CO_TRY(auto socket, co_await connect(url));
  SocketConnection<Tcp::socket> server(std::move(socket));
  const std::string first = forwarded_request(request, url) + request.unread;
  CO_CHECK_OK(co_await server.write(first, idle));
  auto& client = response.take_over();
  Activity activity{.idle = idle};
  co_await (copy(client, server, activity) && copy(server, client, activity));
  co_return Result<void>();
}

}  // namespace keelson::agent
