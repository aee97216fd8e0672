#include "probes/url.hpp"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <vector>

#include "base/strings.hpp"

namespace keelson::probes {
namespace {

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

// Percent signs that do not start an escape make the whole text literal, as with Go's url.Parse and formatURL.
bool escapes_are_valid(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2]))) return false;
  }
  return true;
}

std::string escape(std::string_view text) {
  const bool literal = !escapes_are_valid(text);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte > 0x20 && byte < 0x7f && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
    if (plain && !(literal && (c == '%' || c == '?'))) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

// "/a/b/../c/./d" -> "/a/c/d" (RFC 3986, 5.2.4).
std::string remove_dot_segments(std::string_view path) {
  std::vector<std::string> kept;
  const auto parts = split(path, '/');
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    const bool dots = parts[i] == "." || parts[i] == "..";
    if (parts[i] == ".." && !kept.empty()) kept.pop_back();
    if (!dots) kept.push_back(parts[i]);
    if (dots && last) kept.emplace_back();
  }
  return "/" + join(kept, "/");
}

Result<void> set_authority(Url& url, std::string_view authority) {
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  std::string_view host = authority;
  std::string_view port;
  const auto colon = authority.rfind(':');
  const auto bracket = authority.rfind(']');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) return make_error(Errc::invalid_argument, "no host");
  url.port = url.tls ? 443 : 80;
  if (!port.empty()) {
    const auto end = port.data() + port.size();
    const auto parsed = std::from_chars(port.data(), end, url.port);
    if (parsed.ec != std::errc() || parsed.ptr != end || url.port == 0) {
      return make_error(Errc::invalid_argument, fmt::format("invalid port \":{}\" after host", port));
    }
  }
  url.host = host;
  url.authority = authority;
  return {};
}

}  // namespace

std::string to_string(const Url& url) {
  return fmt::format("{}://{}{}", url.tls ? "https" : "http", url.authority, url.target);
}

std::string request_target(std::string_view path) {
  std::string out = escape(path.substr(0, path.find('#')));
  if (out.empty() || out[0] != '/') out.insert(0, 1, '/');
  return out;
}

Result<Url> resolve_reference(const Url& base, std::string_view reference) {
  Url url = base;
  reference = trim(reference);
  reference = reference.substr(0, reference.find('#'));
  const auto colon = reference.find(':');
  if (colon != std::string_view::npos && reference.substr(0, colon).find_first_of("/?") == std::string_view::npos) {
    const std::string scheme = to_lower(reference.substr(0, colon));
    if (scheme != "http" && scheme != "https") {
      return make_error(Errc::invalid_argument, fmt::format("unsupported protocol scheme \"{}\"", scheme));
    }
    url.tls = scheme == "https";
    reference.remove_prefix(colon + 1);
    if (!reference.starts_with("//")) return make_error(Errc::invalid_argument, "no host");
  }
  if (reference.starts_with("//")) {
    reference.remove_prefix(2);
    const auto end = reference.find_first_of("/?");
    CHECK_OK(set_authority(url, reference.substr(0, end)));
    reference = end == std::string_view::npos ? std::string_view() : reference.substr(end);
    url.target = "/";
  }
  if (reference.empty()) return url;

  const auto query = reference.find('?');
  std::string path(reference.substr(0, query));
  const std::string_view base_path = std::string_view(url.target).substr(0, url.target.find('?'));
  if (path.empty()) {
    path = base_path;
  } else if (path[0] != '/') {
    path = std::string(base_path.substr(0, base_path.rfind('/') + 1)) + path;
  }
  url.target = remove_dot_segments(path);
  if (query != std::string_view::npos) url.target += reference.substr(query);
  url.target = request_target(url.target);
  return url;
}

}  // namespace keelson::probes
