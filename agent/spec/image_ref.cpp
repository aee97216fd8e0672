#include "agent/spec/image_ref.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace keelson::spec {
namespace {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kLegacyDefaultDomain = "index.docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr std::size_t kMaxNameLength = 255;

// Not <cctype>: the grammar is ASCII whatever the locale.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_alpha(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_alnum(char c) { return is_alpha(c) || is_digit(c); }
bool is_lower_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

bool all_of(std::string_view text, bool (*test)(char)) { return std::all_of(text.begin(), text.end(), test); }

// host-label(.host-label)* or [IPv6], then an optional :port.
bool valid_domain(std::string_view text) {
  std::string_view host = text;
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos || close < 2) return false;
    const auto address = text.substr(1, close - 1);
    if (!std::all_of(address.begin(), address.end(), [](char c) {
          return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':';
        })) {
      return false;
    }
    const auto rest = text.substr(close + 1);
    return rest.empty() || (rest.size() > 1 && rest.front() == ':' && all_of(rest.substr(1), is_digit));
  }
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    const auto port = text.substr(colon + 1);
    if (port.empty() || !all_of(port, is_digit)) return false;
    host = text.substr(0, colon);
  }
  for (const auto& label : split(host, '.')) {
    if (label.empty() || !is_alnum(label.front()) || !is_alnum(label.back())) return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; })) return false;
  }
  return true;
}

// Lower-case letters and digits, joined by ".", "_", "__" or any number of "-".
bool valid_path_component(std::string_view text) {
  const auto word = [](char c) { return is_lower(c) || is_digit(c); };
  std::size_t at = 0;
  while (true) {
    const std::size_t begin = at;
    while (at < text.size() && word(text[at])) ++at;
    if (at == begin) return false;
    if (at == text.size()) return true;
    const std::size_t separator = at;
    while (at < text.size() && !word(text[at])) ++at;
    const auto between = text.substr(separator, at - separator);
    const bool dashes = between.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && between != "." && between != "_" && between != "__") return false;
  }
}

bool valid_tag(std::string_view text) {
  if (text.empty() || text.size() > 128) return false;
  if (!is_alnum(text.front()) && text.front() != '_') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

// The reason a digest is not usable, or nullptr.
const char* digest_fault(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return "invalid reference format";
  const auto algorithm = text.substr(0, colon);
  const auto hex = text.substr(colon + 1);
  std::size_t want = 0;
  if (algorithm == "sha256") want = 64;
  if (algorithm == "sha384") want = 96;
  if (algorithm == "sha512") want = 128;
  if (want == 0) return "unsupported digest algorithm";
  if (hex.size() != want) return "invalid checksum digest length";
  return all_of(hex, is_lower_hex) ? nullptr : "invalid checksum digest format";
}

Error invalid(std::string_view text, std::string_view why) {
  return make_error(Errc::invalid_argument,
                    "couldn't parse image name \"" + std::string(text) + "\": " + std::string(why), "InvalidImageName");
}

// Splits "domain/path": a first component is a domain only where it cannot be part of a Docker Hub name.
void split_domain(std::string_view name, ImageReference& out) {
  const auto slash = name.find('/');
  const auto first = name.substr(0, slash);
  const bool is_domain =
      slash != std::string_view::npos &&
      (first == "localhost" || first.find_first_of(".:[") != std::string_view::npos || to_lower(first) != first);
  out.domain = is_domain && first != kLegacyDefaultDomain ? first : kDefaultDomain;
  out.path = is_domain ? name.substr(slash + 1) : name;
  if (out.domain == kDefaultDomain && out.path.find('/') == std::string::npos) out.path.insert(0, kOfficialPrefix);
}

}  // namespace

std::string ImageReference::normalized() const {
  std::string out = domain + '/' + path;
  if (!tag.empty()) out += ':' + tag;
  if (!digest.empty()) out += '@' + digest;
  if (tag.empty() && digest.empty()) out += ":latest";
  return out;
}

Result<ImageReference> parse_image_reference(std::string_view text) {
  if (text.size() == 64 && all_of(text, is_lower_hex)) {
    return invalid(text,
                   "invalid repository name (" + std::string(text) + "), cannot specify 64-byte hexadecimal strings");
  }
  ImageReference out;
  std::string_view name = text;
  if (const auto at = name.find('@'); at != std::string_view::npos) {
    out.digest = name.substr(at + 1);
    name = name.substr(0, at);
    if (const char* fault = digest_fault(out.digest)) return invalid(text, fault);
  }
  // A colon after the last slash begins the tag; one before it belongs to the domain's port.
  const auto slash = name.rfind('/');
  const auto colon = name.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    out.tag = name.substr(colon + 1);
    name = name.substr(0, colon);
    if (!valid_tag(out.tag)) return invalid(text, "invalid reference format");
  }
  if (name.empty()) return invalid(text, "invalid reference format");
  split_domain(name, out);
  if (to_lower(out.path) != out.path) {
    return invalid(text, "invalid reference format: repository name (" + out.path + ") must be lowercase");
  }
  const auto components = split(out.path, '/');
  if (!valid_domain(out.domain) || !std::all_of(components.begin(), components.end(), valid_path_component)) {
    return invalid(text, "invalid reference format");
  }
  if (out.path.size() > kMaxNameLength) {
    return invalid(text, "repository name must not be more than 255 characters");
  }
  return out;
}

Result<std::string> with_default_tag(std::string_view text) {
  TRY(const auto reference, parse_image_reference(text));
  std::string out(text);
  if (reference.tag.empty() && reference.digest.empty()) out += ":latest";
  return out;
}

std::string_view default_pull_policy(std::string_view image) {
  const auto reference = parse_image_reference(image);
  if (!reference) return "IfNotPresent";
  const bool latest = reference->tag == "latest" || (reference->tag.empty() && reference->digest.empty());
  return latest ? "Always" : "IfNotPresent";
}

}  // namespace keelson::spec
