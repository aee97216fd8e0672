#include "agent/cli/api_client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/strings.hpp"

namespace keelson::agent {
namespace {

namespace http = boost::beast::http;
using nlohmann::json;
using Parser = http::response_parser<http::string_body>;

Result<void> send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const auto n = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "write to the daemon");
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

// Reads an answer; `progress` is called after each piece, and ends the reading by returning false.
Result<void> read_reply(int fd, Parser& parser, const std::function<bool()>& progress) {
  parser.body_limit(boost::none);
  parser.eager(true);
  std::string pending;
  std::vector<char> buffer(64 * 1024);
  while (!parser.is_done()) {
    const auto n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "read from the daemon");
    boost::system::error_code ec;
    if (n == 0) {
      parser.put_eof(ec);
      if (ec || !parser.is_done()) return make_error(Errc::unavailable, "the daemon closed the connection");
      break;
    }
    pending.append(buffer.data(), static_cast<std::size_t>(n));
    while (!pending.empty() && !parser.is_done()) {
      const auto used = parser.put(boost::asio::buffer(pending), ec);
      pending.erase(0, used);
      if (ec == http::error::need_more) break;
      if (ec) return make_error(Errc::internal, "the daemon's answer: " + ec.message());
      if (used == 0) break;
    }
    if (!progress()) break;
  }
  return {};
}

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Error reply_error(int status, std::string text) {
  text = one_line(std::move(text));
  if (text.empty()) text = "the daemon answered with status " + std::to_string(status);
  return make_error(status == 404 ? Errc::not_found : Errc::internal, std::move(text));
}

std::string request_text(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: keelson\r\nConnection: close\r\n\r\n";
}

}  // namespace

Result<UniqueFd> ApiClient::connect() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof address.sun_path) return make_error(Errc::invalid_argument, socket_ + ": path too long");
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error(errno, "socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  if (errno == EACCES || errno == EPERM) {
    return make_error(Errc::permission_denied, socket_ + ": permission denied (only root may ask the daemon)");
  }
  return make_error(Errc::unavailable, "keelson is not running (no daemon at " + socket_ + ")");
}

Result<HttpReply> ApiClient::get(const std::string& target) const {
  TRY(auto fd, connect());
  CHECK_OK(send_all(fd.get(), request_text(target)));
  Parser parser;
  CHECK_OK(read_reply(fd.get(), parser, [] { return true; }));
  return HttpReply{static_cast<int>(parser.get().result_int()), std::move(parser.get().body())};
}

Result<json> ApiClient::get_json(const std::string& target) const {
  TRY(auto reply, get(target));
  if (reply.status != 200) return reply_error(reply.status, std::move(reply.body));
  auto document = json::parse(reply.body, nullptr, false);
  if (document.is_discarded()) return make_error(Errc::internal, "the daemon's answer is no JSON");
  return json_result(std::move(document));
}

Result<void> ApiClient::stream(const std::string& target, const std::function<bool(std::string_view)>& sink) const {
  TRY(auto fd, connect());
  CHECK_OK(send_all(fd.get(), request_text(target)));
  Parser parser;
  CHECK_OK(read_reply(fd.get(), parser, [&] {
    if (!parser.is_header_done() || parser.get().result_int() != 200) return true;
    const std::string piece = std::exchange(parser.get().body(), {});
    return piece.empty() || sink(piece);
  }));
  const auto status = static_cast<int>(parser.get().result_int());
  if (status != 200) return reply_error(status, parser.get().body());
  if (!parser.get().body().empty()) sink(parser.get().body());
  return {};
}

Result<json> json_result(json document) { return Result<json>(boost::system::in_place_value, std::move(document)); }

Result<json> find_pod(const ApiClient& client, const std::string& ns, const std::string& name) {
  TRY(const auto list, client.get_json("/pods"));
  return choose_pod(list.at("items"), ns, name);
}

Result<json> choose_pod(const json& items, const std::string& given_ns, const std::string& given_name) {
  const auto slash = given_name.find('/');
  const auto ns = slash == std::string::npos ? given_ns : given_name.substr(0, slash);
  const auto name = slash == std::string::npos ? given_name : given_name.substr(slash + 1);
  std::vector<const json*> found;
  std::vector<std::string> keys;
  for (const auto& pod : items) {
    const auto& meta = pod.at("metadata");
    const auto pod_ns = meta.value("namespace", "default");
    if (meta.value("name", "") != name || (!ns.empty() && pod_ns != ns)) continue;
    if (ns.empty() && pod_ns == "default") return json_result(pod);
    found.push_back(&pod);
    keys.push_back(pod_ns + "/" + name);
  }
  if (found.size() == 1) return json_result(*found.front());
  if (found.empty()) {
    const auto where = ns.empty() ? std::string() : " in namespace " + ns;
    return make_error(Errc::not_found, "pod \"" + given_name + "\" not found" + where);
  }
  return make_error(Errc::invalid_argument, "several pods are named \"" + name + "\": " + join(keys, ", "));
}

std::string default_container(const json& pod) {
  const auto annotations = pod.at("metadata").value("annotations", json::object());
  const auto named = annotations.value("kubectl.kubernetes.io/default-container", "");
  if (!named.empty()) return named;
  return pod.at("spec").at("containers").at(0).value("name", "");
}

int fail(const Error& error) {
  std::cerr << "keelson: " << error.message << "\n";
  return 1;
}

}  // namespace keelson::agent
